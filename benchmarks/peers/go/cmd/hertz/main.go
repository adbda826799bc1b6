// The work on hertz, with its own network library, netpoll.
package main

import (
	"context"
	"net/http"

	"floodway-bench/listening"
	"floodway-bench/work"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/hlog"
)

func answer(_ context.Context, request *app.RequestContext) {
	request.Data(http.StatusOK, work.ContentType, work.Answer(request.Request.Body()))
}

func main() {
	hlog.SetLevel(hlog.LevelError)
	hertz := server.New(server.WithListener(listening.Open()), server.WithDisablePrintRoute(true))
	hertz.Any("/", answer)
	if err := hertz.Run(); err != nil { // not Spin, which would wait five seconds for connections to end
		listening.Fail(err)
	}
}
