package value_test

import (
	"fmt"

	"github.com/droverhq/drover/value"
)

// Text with references is parsed once, and filled in when what they stand for is known.
func ExampleParse() {
	url, _ := value.Parse("http://${cluster.endpoint}/healthz")
	fmt.Println(url, value.Refs(url))
	known, err := value.Resolve(url, func(r value.Ref) (any, error) { return "shop.example.com", nil })
	fmt.Println(known, err)
	// Output:
	// http://${cluster.endpoint}/healthz [${cluster.endpoint}]
	// http://shop.example.com/healthz <nil>
}

// A secret does not show, wherever it is printed.
func ExampleHide() {
	token := value.Hide("hunter2")
	fmt.Printf("%v %s %#v\n", token, token, token)
	plain, err := value.Reveal(token)
	fmt.Println(plain, err)
	// Output:
	// [secret] [secret] [secret]
	// hunter2 <nil>
}
