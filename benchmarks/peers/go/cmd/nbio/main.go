// Echo on nbio: one poller, OnData writes what came. Write copies what the kernel does not take at once.
//
// Connections are accepted by package net in a goroutine beside the poller, which sets TCP_NODELAY.
package main

import (
	"net"

	"floodway-bench/listening"

	"github.com/lesismal/nbio"
	"github.com/lesismal/nbio/logging"
)

func main() {
	logging.SetLevel(logging.LevelError)
	engine := nbio.NewEngine(nbio.Config{
		Network: "tcp",
		Addrs:   []string{listening.Address},
		NPoller: 1,
		Listen:  func(string, string) (net.Listener, error) { return listening.Open(), nil },
	})
	engine.OnData(func(connection *nbio.Conn, data []byte) {
		connection.Write(data) // an error has closed the connection
	})
	if err := engine.Start(); err != nil {
		listening.Fail(err)
	}
	select {} // until the process is ended
}
