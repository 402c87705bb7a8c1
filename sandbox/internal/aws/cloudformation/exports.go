package cloudformation

import (
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

type exportItem struct {
	Stack string `xml:"ExportingStackId"`
	Name  string
	Value string
}

// listExports lists what stacks export, in the order of their names.
func (s *Service) listExports(_ *http.Request, f wire.Form) (any, error) {
	var all []exportItem
	s.store.View(func(st *region.State) {
		for _, stack := range st.Stacks {
			for _, o := range stack.Outputs {
				if o.Export != "" && stack.Status != region.DeleteComplete {
					all = append(all, exportItem{stack.ID, o.Export, o.Value})
				}
			}
		}
	})
	slices.SortFunc(all, func(a, b exportItem) int { return strings.Compare(a.Name, b.Name) })
	list, next, err := page(f, all)
	return struct {
		Exports []exportItem `xml:"Exports>member"`
		Next    string       `xml:"NextToken,omitempty"`
	}{list, next}, err
}

// listImports lists the stacks that use an export.
func (s *Service) listImports(_ *http.Request, f wire.Form) (any, error) {
	export := f.Get("ExportName")
	var users []string
	s.store.View(func(st *region.State) { users = st.Importers(export) })
	if len(users) == 0 {
		return nil, invalid("Export '%s' is not imported by any stack.", export)
	}
	list, next, err := page(f, users)
	return struct {
		Imports []string `xml:"Imports>member"`
		Next    string   `xml:"NextToken,omitempty"`
	}{list, next}, err
}
