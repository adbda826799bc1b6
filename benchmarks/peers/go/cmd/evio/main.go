// Echo on evio: one loop, Data returns what is to be sent. evio copies that, so that its connections may share the buffer
// that they read into.
//
// It knows nothing of TCP_NODELAY, which its connections therefore inherit from the listener.
package main

import (
	"floodway-bench/listening"

	"github.com/tidwall/evio"
)

func main() {
	var events evio.Events
	events.NumLoops = 1
	events.Serving = func(evio.Server) evio.Action {
		address, err := listening.Own()
		if err != nil {
			listening.Fail(err)
		}
		listening.Tell(address)
		return evio.None
	}
	events.Opened = func(evio.Conn) ([]byte, evio.Options, evio.Action) {
		return nil, evio.Options{ReuseInputBuffer: true}, evio.None
	}
	events.Data = func(_ evio.Conn, data []byte) ([]byte, evio.Action) {
		return data, evio.None
	}
	if err := evio.Serve(events, "tcp://"+listening.Address); err != nil {
		listening.Fail(err)
	}
}
