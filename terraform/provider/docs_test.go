package provider

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// The page names every key, and shows none that is not there.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/terraform.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := speak(t, &cluster{}).config.AttributeTypes
	for key := range keys {
		if !strings.Contains(string(page), "`"+key+"`") {
			t.Errorf("nothing is said of %s", key)
		}
	}
	config := regexp.MustCompile(`(?s)  config \{\n(.*?)\n  \}`).FindStringSubmatch(string(page))
	if config == nil {
		t.Fatal("the page shows no action")
	}
	guard := keys["guard"].(tftypes.List).ElementType.(tftypes.Object).AttributeTypes
	for _, found := range regexp.MustCompile(`(?m)^ +(\w+) +[={]`).FindAllStringSubmatch(config[1], -1) {
		_, ofAction := keys[found[1]]
		_, ofGuard := guard[found[1]]
		if !ofAction && !ofGuard {
			t.Errorf("the page shows %s, which is no key", found[1])
		}
	}
}
