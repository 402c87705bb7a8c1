package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/durable"
	"github.com/droverhq/drover/internal/load"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view/html"
	"github.com/droverhq/drover/internal/view/jsonl"
	"github.com/droverhq/drover/internal/view/text"
)

// judge joins the records of the load with the events of the change, and shows
// the verdict as text, as JSON and as a page.
func (s *story) judge(t *traffic) (passed bool, err error) {
	s.chapter("The verdict")
	v, err := s.verdict(t)
	if err != nil {
		return false, err
	}
	if err := text.Verdict(s.out, v, text.Style{Plain: !s.Color}); err != nil {
		return false, err
	}
	if err := s.keep("verdict.json", func(w io.Writer) error { return json.NewEncoder(w).Encode(v) }); err != nil {
		return false, err
	}
	if err := s.keep("verdict.html", func(w io.Writer) error { return html.Write(w, v) }); err != nil {
		return false, err
	}
	if s.JSON != nil {
		if err := json.NewEncoder(s.JSON).Encode(v); err != nil {
			return false, err
		}
	}
	return v.OK, nil
}

// verdict reads back what was recorded: the events of the change (not those of
// the first up), and every request.
func (s *story) verdict(t *traffic) (verdict.Verdict, error) {
	in := verdict.Input{Title: "web moves from t3.2xlarge to c5.4xlarge"}
	for _, path := range s.logs[1:] {
		events, err := readEvents(path)
		if err != nil {
			return verdict.Verdict{}, err
		}
		in.Events = append(in.Events, events...)
	}
	names := []string{
		fmt.Sprintf("closed loop, %d connections", closedConnections),
		fmt.Sprintf("steady, %d requests/s", steadyRate),
	}
	for i, path := range t.files {
		in.Loads = append(in.Loads, verdict.Load{Name: names[i], Records: records(path)})
	}
	return verdict.Build(in)
}

func readEvents(path string) ([]event.Event, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return jsonl.ReadAll(file)
}

// records opens the file when it is read, and closes it after.
func records(path string) iter.Seq2[load.Record, error] {
	return func(yield func(load.Record, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(load.Record{}, err)
			return
		}
		defer func() { _ = file.Close() }()
		for record, err := range load.ReadRecords(file) {
			if !yield(record, err) {
				return
			}
		}
	}
}

// keep writes a file that stays when the story is over.
func (s *story) keep(name string, write func(io.Writer) error) error {
	path := filepath.Join(s.Dir, name)
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := durable.Write(path, text.Bytes(), 0o644); err != nil {
		return err
	}
	s.say("%s", path)
	return nil
}
