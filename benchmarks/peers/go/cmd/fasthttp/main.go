// The work on fasthttp.
package main

import (
	"floodway-bench/listening"
	"floodway-bench/work"

	"github.com/valyala/fasthttp"
)

func answer(context *fasthttp.RequestCtx) {
	context.SetContentType(work.ContentType)
	context.SetBody(work.Answer(context.PostBody()))
}

func main() {
	listening.Fail(fasthttp.Serve(listening.Open(), answer))
}
