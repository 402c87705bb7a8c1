package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/droverhq/drover/problem"
)

// Here, and nowhere else, records become bytes and bytes records.
//
// A checkpoint is lines of JSON: what it is, with the checksum of all that
// follows; the stack itself; then one resource a line. Connections, of which
// every object of a cluster has the same, stand once.
//
// A log is lines of a checksum, a blank and JSON: what it is, then one batch of
// entries a line. A batch reaches the disk as a whole or not at all.

// formatVersion is that of both. Version 1 had one file an entry and was never
// released; a later one is refused, not misread.
const formatVersion = 2

const (
	checkpointFormat = "drover state"
	logFormat        = "drover journal"
)

// banner is the first line of a file: what it is.
type banner struct {
	Format  string `json:"format"`
	Version int    `json:"version"`

	SHA256 string `json:"sha256,omitempty"` // checkpoint: of all that follows

	ID    string `json:"id,omitempty"`    // log: the stack's
	Epoch uint64 `json:"epoch,omitempty"` // log: of the run that wrote it
	After uint64 `json:"after,omitempty"` // log: the entry that its first one follows
}

// body is the second line of a checkpoint: all but the resources.
type body struct {
	Stack Snapshot `json:"stack"`
	Conns []Conn   `json:"conns,omitempty"`
	Count int      `json:"count"` // of resources
}

// line is a resource in a checkpoint. Conn and Hosts count Conns from 1; 0 is none.
type line struct {
	Resource Resource `json:"r"`
	Conn     int      `json:"conn,omitempty"`
	Hosts    int      `json:"hosts,omitempty"`
}

// conns numbers the connections of a checkpoint.
type conns struct {
	all    []Conn
	number map[string]int
}

func (c *conns) take(conn *Conn) (int, error) {
	if conn.IsZero() {
		return 0, nil
	}
	text, err := json.Marshal(*conn)
	if err != nil {
		return 0, err
	}
	n, known := c.number[string(text)]
	if !known {
		c.all = append(c.all, *conn)
		n = len(c.all)
		c.number[string(text)] = n
	}
	*conn = Conn{}
	return n, nil
}

func (c *conns) give(n int) (Conn, error) {
	switch {
	case n == 0:
		return Conn{}, nil
	case n < 0 || n > len(c.all):
		return Conn{}, fmt.Errorf("there is no connection %d", n)
	}
	return c.all[n-1], nil
}

func encodeCheckpoint(s *Snapshot) ([]byte, error) {
	known := &conns{number: make(map[string]int)}
	var lines bytes.Buffer
	for _, r := range s.Resources {
		l, err := shorten(r, known)
		if err == nil {
			err = writeLine(&lines, l)
		}
		if err != nil {
			return nil, fmt.Errorf("write resource %s: %w", r.URN, err)
		}
	}
	var head, text bytes.Buffer
	stack := *s
	stack.Resources = nil // they have lines of their own
	if err := writeLine(&head, body{Stack: stack, Conns: known.all, Count: len(s.Resources)}); err != nil {
		return nil, err
	}
	hash := sha256.New()
	hash.Write(head.Bytes())
	hash.Write(lines.Bytes())
	if err := writeLine(&text, banner{Format: checkpointFormat, Version: formatVersion, SHA256: hex.EncodeToString(hash.Sum(nil))}); err != nil {
		return nil, err
	}
	text.Grow(head.Len() + lines.Len())
	text.Write(head.Bytes())
	text.Write(lines.Bytes())
	return text.Bytes(), nil
}

func shorten(r Resource, known *conns) (l line, err error) {
	if l.Conn, err = known.take(&r.Conn); err != nil {
		return l, err
	}
	if r.Hosts != nil {
		hosts := *r.Hosts
		r.Hosts = &hosts
		l.Hosts, err = known.take(&hosts.Conn)
	}
	l.Resource = r
	return l, err
}

func writeLine(w *bytes.Buffer, v any) error {
	enc := json.NewEncoder(w) // ends with a line feed
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// decodeCheckpoint is the snapshot in a file, verified.
func decodeCheckpoint(data []byte) (*Snapshot, error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	b, err := readBanner(first, data, checkpointFormat)
	if err != nil {
		return nil, err
	}
	if checksum(rest) != b.SHA256 {
		return nil, errors.New("its content does not match its checksum")
	}
	text, rest, _ := bytes.Cut(rest, []byte("\n"))
	var head body
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	s := &head.Stack
	s.Resources = make([]Resource, 0, head.Count)
	known := &conns{all: head.Conns}
	for len(rest) > 0 {
		text, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, err := lengthen(text, known)
		if err != nil {
			return nil, err
		}
		s.Resources = append(s.Resources, r)
	}
	if len(s.Resources) != head.Count {
		return nil, fmt.Errorf("it holds %d resources and should hold %d", len(s.Resources), head.Count)
	}
	err = s.Verify()
	return s, err
}

func lengthen(text []byte, known *conns) (Resource, error) {
	var l line
	record := struct {
		*line
		Resource resourceRecord `json:"r"`
	}{&l, resourceRecord{fields: (*fields)(&l.Resource)}}
	err := json.Unmarshal(text, &record)
	if err == nil {
		err = record.Resource.decode()
	}
	if err != nil {
		return Resource{}, err
	}
	if l.Conn > 0 {
		l.Resource.Conn, err = known.give(l.Conn)
	}
	if l.Hosts > 0 && l.Resource.Hosts != nil {
		var conn Conn
		conn, errHosts := known.give(l.Hosts)
		l.Resource.Hosts.Conn, err = conn, errors.Join(err, errHosts)
	}
	return l.Resource, err
}

// readBanner tells a file of ours from one that is newer, older, foreign or damaged.
func readBanner(first, whole []byte, format string) (b banner, err error) {
	err = json.Unmarshal(first, &b)
	switch {
	case err == nil && b.Format == format && b.Version == formatVersion:
		return b, nil
	case err == nil && b.Format == format && b.Version > formatVersion:
		return b, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("it has format %d; this drover knows %d", b.Version, formatVersion),
			Fix: "a newer drover wrote it: use that one"}
	case err == nil && b.Format == format && b.Version < 1:
		return b, fmt.Errorf("%d is no version of a format", b.Version)
	}
	if other := foreign(whole); other != "" {
		return b, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("it is %s", other),
			Fix: "move that file away; drover reads only what drover wrote"}
	}
	if err == nil {
		err = errors.New("it does not say that it is a " + format)
	}
	return b, err
}

// foreign tells what other tools call their state.
func foreign(data []byte) string {
	var doc struct {
		Terraform  any             `json:"terraform_version"`
		Lineage    any             `json:"lineage"`
		Checkpoint json.RawMessage `json:"checkpoint"`
		Deployment json.RawMessage `json:"deployment"`
		Version    int             `json:"version"`
		SHA256     string          `json:"sha256"`
		Body       json.RawMessage `json:"body"`
	}
	switch err := json.Unmarshal(data, &doc); {
	case err != nil:
		return ""
	case doc.Terraform != nil || doc.Lineage != nil:
		return "a Terraform state"
	case doc.Checkpoint != nil || doc.Deployment != nil:
		return "a Pulumi state"
	case doc.Version == 1 && doc.Body != nil:
		return "of an early build of drover, from before the first release"
	}
	return ""
}

func checksum(data []byte) string {
	hash := sha256.Sum256(data)
	return hex.EncodeToString(hash[:])
}

// castagnoli is the polynomial of CRC-32C, for which CPUs have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// summed is a line of a log.
func summed(v any) ([]byte, error) {
	var text bytes.Buffer
	if err := writeLine(&text, v); err != nil {
		return nil, err
	}
	return sum(text.Bytes()[:text.Len()-1]), nil
}

func sum(text []byte) []byte {
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, castagnoli), text)
}

// unsum is the JSON in a line without its line feed.
func unsum(text []byte) ([]byte, error) {
	crc, rest, ok := bytes.Cut(text, []byte(" "))
	if !ok || string(crc) != fmt.Sprintf("%08x", crc32.Checksum(rest, castagnoli)) {
		return nil, errors.New("a line does not match its checksum")
	}
	return rest, nil
}

// encodeEntry is an entry as it stands in a batch.
func encodeEntry(e entry) ([]byte, error) {
	var text bytes.Buffer
	if err := writeLine(&text, e); err != nil {
		return nil, err
	}
	return text.Bytes()[:text.Len()-1], nil
}

// encodeBatch is a line of a log.
func encodeBatch(entries [][]byte) []byte {
	text := append([]byte("["), bytes.Join(entries, []byte(","))...)
	return sum(append(text, ']'))
}

// logContent is what a log holds.
type logContent struct {
	banner
	entries []entry
	torn    bool // its end was cut off by a crash
}

// decodeLog reads a log up to an end that was torn: a batch is one line, and no
// batch is written before the one before it is on the disk. What is unreadable
// and not at the end is damaged.
func decodeLog(data []byte) (logContent, error) {
	var c logContent
	var bad error
	for first := true; len(data) > 0; first = false {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		raw, err := unsum(text)
		if err == nil && !whole {
			err = errors.New("its last line has no end")
		}
		if bad != nil {
			return c, bad // and something stands after it
		}
		if err != nil {
			bad, c.torn = err, true
			continue
		}
		if first {
			c.banner, err = readBanner(raw, raw, logFormat)
		} else {
			err = c.take(raw)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *logContent) take(batch []byte) error {
	var entries []entry
	if err := json.Unmarshal(batch, &entries); err != nil {
		return err
	}
	c.entries = append(c.entries, entries...)
	return nil
}
