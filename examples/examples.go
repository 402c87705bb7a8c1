// Package examples carries the example projects, so that `drover new` and
// `drover demo` can write them out.
package examples

import "embed"

// FS holds one folder for each example.
//
//go:embed all:migrate-nodegroups
var FS embed.FS
