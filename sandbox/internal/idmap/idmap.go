// Package idmap says which users and groups there are in a user namespace, and
// which ones of the host they are. Package launch makes a sandbox's namespace
// with as many as the host gives its user; inside, what deals with files and
// processes of pods asks for those that there are.
package idmap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Range is a line of a mapping: Count IDs from Inside on are those from Outside
// on of the namespace around (user_namespaces(7)).
type Range struct {
	Inside  int64 `json:"inside"`
	Outside int64 `json:"outside"`
	Count   int64 `json:"count"`
}

// Map is a mapping.
type Map []Range

// IDs are those of a user namespace.
type IDs struct {
	Users  Map `json:"users,omitempty"`
	Groups Map `json:"groups,omitempty"`
}

// Own are the IDs of this process's user namespace.
func Own() (ids IDs, err error) {
	if ids.Users, err = read("/proc/self/uid_map"); err != nil {
		return IDs{}, err
	}
	ids.Groups, err = read("/proc/self/gid_map")
	return ids, err
}

func read(path string) (Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var m Map
	for {
		var r Range
		_, err := fmt.Fscan(f, &r.Inside, &r.Outside, &r.Count)
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		m = append(m, r)
	}
}

// Has reports whether there is an ID.
func (m Map) Has(id int64) bool {
	return slices.ContainsFunc(m, func(r Range) bool { return id >= r.Inside && id-r.Inside < r.Count })
}

// String is what a user reads: "0 to 65535".
func (m Map) String() string {
	var parts []string
	for i := 0; i < len(m); i++ {
		first, last := m[i].Inside, m[i].Inside+m[i].Count-1
		for ; i+1 < len(m) && m[i+1].Inside == last+1; i++ {
			last += m[i+1].Count
		}
		if first == last {
			parts = append(parts, fmt.Sprint(first))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d to %d", first, last))
	}
	return strings.Join(parts, ", ")
}

// Many reports whether there are more users than the one who is root.
func (i IDs) Many() bool { return i.Users.Has(1) }

// Equal reports whether files have the same owners under both.
func (i IDs) Equal(other IDs) bool {
	return slices.Equal(i.Users, other.Users) && slices.Equal(i.Groups, other.Groups)
}
