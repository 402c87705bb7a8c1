package wire

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// Call is one REST request, and what its path says in the places of its route's stars.
type Call struct {
	*http.Request
	Vars []string
}

// Route is an operation and where it is: GET clusters/*/access-entries/*.
type Route struct {
	Operation string
	Method    string
	Path      string
	Serve     func(Call) (any, error)
}

// At is a line of a table of routes.
func At(operation, method, path string, serve func(Call) (any, error)) Route {
	return Route{operation, method, path, serve}
}

// Routes are all that a REST service answers.
type Routes []Route

// Operations names what is implemented.
func (all Routes) Operations() []string {
	var names []string
	for _, r := range all {
		names = append(names, r.Operation)
	}
	return names
}

// Operation names the operation that a request asks for; of one that is not
// implemented, method and path.
func (all Routes) Operation(r *http.Request) string {
	if one, _, err := all.find(r); err == nil {
		return one.Operation
	}
	return r.Method + " " + r.URL.EscapedPath()
}

// Serve answers one request.
func (all Routes) Serve(r *http.Request) (any, error) {
	one, vars, err := all.find(r)
	if err != nil {
		return nil, err
	}
	unread := &said{ReadCloser: r.Body}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete { // all that they say is in the URL
		if err := unread.refused(); err != nil {
			return nil, err
		}
	}
	asked := *r
	asked.Body = unread
	out, err := one.Serve(Call{&asked, vars})
	return out, cmp.Or(err, unread.refused())
}

// said is the body of a request. What no handler has read has no effect, so the request
// is refused for it, as those of query services are by Form.AllRead: of a method that has
// no body before anything is done, of others after their handler.
type said struct {
	io.ReadCloser
	read bool
}

// Read is a handler's.
func (b *said) Read(p []byte) (int, error) {
	b.read = true
	return b.ReadCloser.Read(p)
}

// refused: something was said, and nobody has read it. An object with nothing in it says
// nothing.
func (b *said) refused() error {
	if b.read || b.ReadCloser == nil {
		return nil
	}
	text, err := io.ReadAll(b.ReadCloser)
	if err != nil {
		return region.Errorf(region.Invalid, "SerializationException", "%s", err)
	}
	if rest := strings.TrimSpace(string(text)); rest != "" && rest != "{}" {
		return region.Errorf(region.Invalid, "InvalidParameterException", "the sandbox does not implement a body here: %s", rest)
	}
	return nil
}

// find is the route that a request takes, and what the stars in its path stand for.
func (all Routes) find(r *http.Request) (Route, []string, error) {
	var path []string
	for part := range strings.SplitSeq(strings.Trim(r.URL.EscapedPath(), "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return Route{}, nil, region.Errorf(region.Invalid, "BadRequestException", "%s", err)
		}
		path = append(path, text)
	}
	for _, one := range all {
		if vars, ok := match(one.Path, path); ok && r.Method == one.Method {
			return one, vars, nil
		}
	}
	return Route{}, nil, UnknownAction(REST, r.Method+" /"+strings.Join(path, "/"))
}

// match compares a path with that of a route, and finds what its stars stand for.
func match(pattern string, path []string) (vars []string, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(path) {
		return nil, false
	}
	for k, w := range want {
		switch {
		case w == "*":
			vars = append(vars, path[k])
		case w != path[k]:
			return nil, false
		}
	}
	return vars, true
}
