package wire

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"testing"
)

type inner struct {
	Text string `xml:"text"`
}

type embedded struct {
	More bool `xml:"IsTruncated"`
}

type everything struct {
	Plain   string
	Named   int      `xml:"number"`
	Left    string   `xml:"left,omitempty"`
	None    *inner   `xml:"none"`
	Some    *inner   `xml:"some"`
	Zone    string   `xml:"placement>zone"`
	Tenancy string   `xml:"placement>tenancy"`
	Deep    string   `xml:"placement>more>deep"`
	List    []inner  `xml:"list>item"`
	Bare    []string `xml:"bare"`
	embedded
}

// Where no list is empty the encoder writes what encoding/xml writes.
func TestEncodeLikeTheLibrary(t *testing.T) {
	v := everything{Plain: "a<b&\"", Named: -1, Some: &inner{"x"}, Zone: "z", Tenancy: "t", Deep: "d", List: []inner{{"1"}, {"2"}},
		Bare: []string{"p", "q"}, embedded: embedded{true}}
	want, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"r"`
		everything
	}{everything: v})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	encode(&got, "r", reflect.ValueOf(v))
	if got.String() != string(want) {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}

// An empty list is there, unless it is to be left out.
func TestEncodeEmptyLists(t *testing.T) {
	var got bytes.Buffer
	encode(&got, "r", reflect.ValueOf(struct {
		There []inner `xml:"There>member"`
		Away  []inner `xml:"Away>member,omitempty"`
	}{}))
	if want := "<r><There></There></r>"; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}
