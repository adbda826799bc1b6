// The work on hertz, with the network library it takes by itself, netpoll.
package main

import (
	"context"
	"net/http"
	"time"

	"floodway-bench/listening"
	"floodway-bench/work"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/hlog"
)

const idleTimeout = 10 * time.Minute // outlasts the measurement, as with every peer; the default is 3

func answer(_ context.Context, request *app.RequestContext) {
	request.Data(http.StatusOK, work.ContentType, work.Answer(request.Request.Body()))
}

func main() {
	hlog.SetLevel(hlog.LevelError)
	hertz := server.New(server.WithListener(listening.Open()), server.WithIdleTimeout(idleTimeout))
	hertz.Any("/", answer)
	if err := hertz.Run(); err != nil { // not Spin, which would wait five seconds for connections to end
		listening.Fail(err)
	}
}
