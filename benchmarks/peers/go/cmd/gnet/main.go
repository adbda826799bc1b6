// Echo on gnet, as its README recommends: one event loop, Next(-1) for the input, Write for the answer.
//
// gnet accepts in a loop of its own beside the one that serves; with the process pinned to one core both share it.
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
)

type echo struct {
	gnet.BuiltinEventEngine
}

func (*echo) OnBoot(engine gnet.Engine) gnet.Action {
	address, err := boundAddress(engine)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot tell the bound port:", err)
		return gnet.Shutdown
	}
	fmt.Println("listening", address)
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

// boundAddress asks the kernel, since gnet keeps only the address it was given, and that ends in port 0.
func boundAddress(engine gnet.Engine) (net.Addr, error) {
	fd, err := engine.Dup()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	return listener.Addr(), nil
}

func main() {
	if err := gnet.Run(&echo{}, "tcp://127.0.0.1:0", gnet.WithNumEventLoop(1)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
