package cri

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxLine is the longest piece of a line in one record; a longer line is
// split. It is the limit of containerd and CRI-O.
const maxLine = 16 * 1024

// logFile takes a container's output in the format a kubelet reads:
// "<RFC 3339 with nanoseconds> <stdout|stderr> <F|P> <content>", where P marks
// a line that goes on in the next record.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// openLog appends to path; with an empty path the output is thrown away.
func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	err := l.reopen()
	return l, err
}

func (l *logFile) reopen() error {
	path := l.path
	if path == "" {
		path = os.DevNull
	} else if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file = file
	return nil
}

// copy writes what comes from a stream until the stream ends, and closes it.
func (l *logFile) copy(stream string, from *os.File) {
	defer func() { _ = from.Close() }()
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			l.write(stream, line, errors.Is(err, bufio.ErrBufferFull))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *logFile) write(stream string, line []byte, partial bool) {
	tag := "F"
	if partial {
		tag = "P"
	}
	record := fmt.Appendf(nil, "%s %s %s ", time.Now().UTC().Format(time.RFC3339Nano), stream, tag)
	record = append(record, line...)
	if line[len(line)-1] != '\n' {
		record = append(record, '\n')
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.file.Write(record) // a full disk loses lines, it does not stop the container
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

var _ io.Closer = (*logFile)(nil)
