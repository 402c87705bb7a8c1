package cli

import (
	"os"

	"github.com/droverhq/drover/problem"
)

// logFile opens the file for --log; none is nil.
func logFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Op: "--log", Err: err, Fix: "name a file in a folder that is there"}
	}
	return file, nil
}
