package cli

import (
	"errors"
	"os"

	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/problem"
)

// logFile is the reader behind --log. It is written as the run goes, so that
// it can be followed.
type logFile struct {
	*jsonl.Writer
	file *os.File
}

func openLog(path string) (*logFile, error) {
	file, err := beside(path)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "--log", Err: err, Fix: "name a file that can be written, in a folder that is there"}
	}
	return &logFile{jsonl.New(file), file}, nil
}

// beside begins a file that is written as a run goes. One that is there becomes
// PATH.old, unless there is nothing in it or it is no file (/dev/stderr, a pipe).
func beside(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.Create(path)
}

// Close writes what is left. A log that is not whole is worth an error, even
// though the run itself is not touched by it.
func (l *logFile) Close() error {
	err := errors.Join(l.Writer.Close(), l.file.Close())
	if err == nil {
		return nil
	}
	return &problem.Error{
		Kind: problem.Outside, Op: "--log " + l.file.Name(), Err: err,
		Fix: "make room for it, or name another file; the run was not touched by this",
	}
}
