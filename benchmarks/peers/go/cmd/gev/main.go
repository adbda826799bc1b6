// Echo on gev: one loop serves, OnMessage returns what is to be sent.
//
// gev accepts in a loop of its own beside that. It knows nothing of TCP_NODELAY, which its connections therefore inherit
// from the listener.
package main

import (
	"floodway-bench/listening"

	"github.com/Allenxuxu/gev"
)

type echo struct{}

func (echo) OnConnect(*gev.Connection) {}

func (echo) OnMessage(_ *gev.Connection, _ any, data []byte) any {
	return data
}

func (echo) OnClose(*gev.Connection) {}

func main() {
	server, err := gev.NewServer(echo{}, gev.Network("tcp"), gev.Address(listening.Address), gev.NumLoops(1))
	if err != nil {
		listening.Fail(err)
	}
	address, err := listening.Own()
	if err != nil {
		listening.Fail(err)
	}
	listening.Tell(address)
	server.Start()
}
