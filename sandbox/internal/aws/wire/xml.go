package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// encode writes a value as XML by the same tags that encoding/xml reads, with
// one difference: a list that is empty is there too (<AutoScalingGroups/>),
// because AWS's clients take a list that is missing for no list at all. Only
// omitempty leaves it out. The values are plain: structs, lists, pointers, texts, numbers and truths.
func encode(b *bytes.Buffer, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			encode(b, name, v.Elem())
		}
	case reflect.Slice:
		for k := range v.Len() {
			encode(b, name, v.Index(k))
		}
	case reflect.Struct:
		open(b, name)
		encodeFields(b, v)
		shut(b, name)
	default:
		open(b, name)
		_ = xml.EscapeText(b, fmt.Append(nil, v.Interface())) // a buffer takes everything
		shut(b, name)
	}
}

// Stamp is a time as query services write it.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func open(b *bytes.Buffer, name string) { fmt.Fprintf(b, "<%s>", name) }
func shut(b *bytes.Buffer, name string) { fmt.Fprintf(b, "</%s>", name) }

// encodeFields writes what is in a struct. Neighbours with the same parents
// (placement>tenancy) share them.
func encodeFields(b *bytes.Buffer, v reflect.Value) {
	var in []string // parents that are open
	for _, f := range fieldsOf(v) {
		shared := 0
		for shared < min(len(in), len(f.parents)) && in[shared] == f.parents[shared] {
			shared++
		}
		for k := len(in) - 1; k >= shared; k-- {
			shut(b, in[k])
		}
		for _, name := range f.parents[shared:] {
			open(b, name)
		}
		in = f.parents
		encode(b, f.name, f.value)
	}
	for _, name := range slices.Backward(in) {
		shut(b, name)
	}
}

// field is a field of a struct that is to be written.
type field struct {
	parents []string
	name    string
	value   reflect.Value
}

func fieldsOf(v reflect.Value) []field {
	var list []field
	for k := range v.NumField() {
		info, value := v.Type().Field(k), v.Field(k)
		tag, options, _ := strings.Cut(info.Tag.Get("xml"), ",")
		switch {
		case info.Anonymous:
			list = append(list, fieldsOf(value)...)
			continue
		case !info.IsExported(), tag == "-", options == "omitempty" && empty(value), value.Kind() == reflect.Pointer && value.IsNil():
			continue
		case tag == "":
			tag = info.Name
		}
		path := strings.Split(tag, ">")
		list = append(list, field{path[:len(path)-1], path[len(path)-1], value})
	}
	return list
}

func empty(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}
