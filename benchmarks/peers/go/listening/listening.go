// Package listening is what the servers of this module share: a listener on a free port of loopback, told to the runner.
package listening

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// Address is what a library that listens by itself is told: any free port of loopback.
const Address = "127.0.0.1:0"

// Open listens there and tells the runner where that is. Go asks the kernel for its longest backlog, and for
// TCP_NODELAY on every connection that this listener accepts.
func Open() net.Listener {
	listener, err := net.Listen("tcp", Address)
	if err != nil {
		Fail(err)
	}
	Tell(listener.Addr())
	return listener
}

// Tell prints the line that the runner waits for.
func Tell(address fmt.Stringer) {
	fmt.Println("listening", address)
}

// Fail ends the process with an error.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Own is the listener of a library that keeps it to itself, once that listens: its address, and TCP_NODELAY set on it,
// which on Linux its connections inherit.
func Own() (net.Addr, error) {
	for fd := 3; fd < 64; fd++ { // nothing else is open yet: the lowest numbers are taken
		if listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || listens == 0 {
			continue
		}
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
			return nil, err
		}
		name, err := syscall.Getsockname(fd)
		if err != nil {
			return nil, err
		}
		if name, ok := name.(*syscall.SockaddrInet4); ok {
			return &net.TCPAddr{IP: name.Addr[:], Port: name.Port}, nil
		}
	}
	return nil, fmt.Errorf("no descriptor listens on IPv4")
}
