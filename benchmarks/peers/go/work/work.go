// Package work is what each HTTP server of this module does with a request: the additions, and the answer.
package work

import (
	"bytes"
	"os"
	"strconv"

	"floodway-bench/listening"
)

// ContentType is the type of every answer.
const ContentType = "text/plain"

const answerBytes = 1024

var additions = readAdditions()

// Answer is the sum of as many bytes of the body as the environment's ADDITIONS says, beginning anew at its end: in
// decimal, filled up with spaces to 1,024 bytes.
func Answer(body []byte) []byte {
	answer := bytes.Repeat([]byte{' '}, answerBytes)
	strconv.AppendUint(answer[:0], sum(body), 10)
	return answer
}

// sum adds one byte after the other: the loop is what is measured. 32 bits, as in C, since division by 64 costs more.
func sum(body []byte) uint64 {
	length := uint32(len(body))
	if length == 0 {
		return 0
	}
	var total uint64
	for i := uint32(0); i < additions; i++ {
		total += uint64(body[i%length])
	}
	return total
}

func readAdditions() uint32 {
	count, err := strconv.ParseUint(os.Getenv("ADDITIONS"), 10, 32)
	if err != nil {
		listening.Fail(err)
	}
	return uint32(count)
}
