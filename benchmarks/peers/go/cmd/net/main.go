// Echo on package net: a goroutine per connection, each with a buffer of its own, as Go's tutorials write it.
//
// io.Copy would be shorter, but it splices on Linux: two more descriptors, a pipe, for each connection.
package main

import (
	"net"

	"floodway-bench/listening"
)

const readBytes = 64 << 10

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, readBytes)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}

func main() {
	listener := listening.Open()
	for {
		connection, err := listener.Accept()
		if err != nil {
			listening.Fail(err)
		}
		go echo(connection)
	}
}
