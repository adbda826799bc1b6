// Echo on gnet, as its README recommends: one event loop, Next(-1) for the input, Write for the answer.
//
// gnet accepts in a loop of its own beside the one that serves; with the process pinned to one core both share it.
// It sets TCP_NODELAY by itself.
package main

import (
	"floodway-bench/listening"

	"github.com/panjf2000/gnet/v2"
)

type echo struct {
	gnet.BuiltinEventEngine
}

func (*echo) OnBoot(gnet.Engine) gnet.Action {
	address, err := listening.Own() // gnet keeps only the address it was given, and that ends in port 0
	if err != nil {
		listening.Fail(err)
	}
	listening.Tell(address)
	return gnet.None
}

func (*echo) OnTraffic(connection gnet.Conn) gnet.Action {
	data, err := connection.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := connection.Write(data); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	if err := gnet.Run(&echo{}, "tcp://"+listening.Address, gnet.WithNumEventLoop(1)); err != nil {
		listening.Fail(err)
	}
}
