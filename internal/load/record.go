package load

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// Record is one finished request. A file of them is CSV, in the order in which
// they ended, with the header below; see docs/load.md.
type Record struct {
	Start   time.Time     `json:"start"`   // when it was sent; of a steady load, when it was due
	Latency time.Duration `json:"latency"` // from Start to the end of the body, or to the failure
	Status  int           `json:"status"`  // 0: no status line arrived
	Bytes   int64         `json:"bytes"`   // of the body, as received
	Source  string        `json:"source"`  // Options.Source; no comma
	Cause   Cause         `json:"cause"`   // empty: it succeeded
	Retried bool          `json:"-"`       // it was sent again, because its reused connection had been closed
}

const recordHeader = "start_ns,latency_ns,status,bytes,source,cause\n"

func (r Record) append(b []byte) []byte {
	b = strconv.AppendInt(b, r.Start.UnixNano(), 10)
	b = strconv.AppendInt(append(b, ','), int64(r.Latency), 10)
	b = strconv.AppendInt(append(b, ','), int64(r.Status), 10)
	b = strconv.AppendInt(append(b, ','), r.Bytes, 10)
	b = append(append(b, ','), r.Source...)
	b = append(append(b, ','), r.Cause...)
	return append(b, '\n')
}

// ReadRecords reads a file of records. A last line without its end (the
// writer was killed) is left out; anything else unreadable is an error, after
// which nothing follows.
func ReadRecords(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		for n := 1; ; n++ {
			line, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && n == 1 {
				if line != recordHeader {
					err = fmt.Errorf("want the header %q", strings.TrimSpace(recordHeader))
				} else {
					continue
				}
			}
			var record Record
			if err == nil {
				record, err = parseRecord(strings.TrimSuffix(line, "\n"))
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("load record, line %d: %w", n, err))
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

func parseRecord(line string) (Record, error) {
	fields := strings.Split(line, ",")
	if len(fields) != 6 {
		return Record{}, fmt.Errorf("%d fields, want 6", len(fields))
	}
	var numbers [4]int64
	for i := range numbers {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return Record{}, err
		}
		numbers[i] = n
	}
	return Record{
		Start:   time.Unix(0, numbers[0]).UTC(),
		Latency: time.Duration(numbers[1]),
		Status:  int(numbers[2]),
		Bytes:   numbers[3],
		Source:  fields[4],
		Cause:   Cause(fields[5]),
	}, nil
}
