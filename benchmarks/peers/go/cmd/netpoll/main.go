// Echo on netpoll with the interface it recommends: what has come is lent by Next, and sent from where it lies.
//
// Flush returns when the kernel has taken everything, so that Release may follow. netpoll sets TCP_NODELAY by itself.
package main

import (
	"context"

	"floodway-bench/listening"

	"github.com/cloudwego/netpoll"
)

func echo(_ context.Context, connection netpoll.Connection) error {
	reader, writer := connection.Reader(), connection.Writer()
	data, err := reader.Next(reader.Len())
	if err != nil {
		return err
	}
	if _, err := writer.WriteBinary(data); err != nil {
		return err
	}
	if err := writer.Flush(); err != nil {
		return err
	}
	return reader.Release()
}

func main() {
	loop, err := netpoll.NewEventLoop(echo)
	if err != nil {
		listening.Fail(err)
	}
	if err := loop.Serve(listening.Open()); err != nil {
		listening.Fail(err)
	}
}
