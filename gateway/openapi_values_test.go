package gateway

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"stentor/protocol"
)

// shapes are the bodies and answers of the operations, nil for none and for
// those that are no struct.
var shapes = map[string]struct{ body, answer any }{
	"publish":           {publishBody{}, publishAnswer{}},
	"publishBatch":      {batchBody{}, batchAnswer{}},
	"listChannels":      {nil, channelsAnswer{}},
	"listMembers":       {nil, membersAnswer{}},
	"getUser":           {nil, userAnswer{}},
	"disconnectUser":    {disconnectBody{}, disconnectAnswer{}},
	"disconnectClient":  {disconnectBody{}, disconnectAnswer{}},
	"subscribeClient":   {channelBody{}, subscribeAnswer{}},
	"unsubscribeClient": {channelBody{}, unsubscribeAnswer{}},
	"readReference":     {},
	"readDescription":   {},
}

// musts are the fields that a body must have. An answer always has those that are
// not omitted when empty.
var musts = map[reflect.Type][]string{
	reflect.TypeFor[publishBody](): {"to"},
	reflect.TypeFor[batchBody]():   {"batch"},
	reflect.TypeFor[channelBody](): {"channel"},
}

// Bodies and answers have the fields of the code's structs, and operations the
// statuses that follow from what they are.
func TestOpenAPIShapes(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	const kind = "application/json"
	left := maps.Clone(shapes)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			shape, ok := left[op.OperationID]
			delete(left, op.OperationID)
			if !ok || (shape.body != nil) != (op.RequestBody != nil) || (shape.body != nil) != (method == "POST") {
				t.Errorf("%s: a body that the code has not, or the other way about", op.OperationID)
				continue
			}
			statuses := []string{"200", "503"}
			if shape.answer != nil {
				statuses = append(statuses, "400", "401", "403", "429", "500")
				compare(t, op.OperationID+" answers", op.Responses.Value("200").Value.Content[kind].Schema, reflect.TypeOf(shape.answer), false)
			} else if op.Security == nil || len(*op.Security) != 0 {
				t.Errorf("%s wants a secret", op.OperationID)
			}
			if shape.body != nil {
				statuses = append(statuses, "408", "413")
				compare(t, op.OperationID+" takes", op.RequestBody.Value.Content[kind].Schema, reflect.TypeOf(shape.body), true)
			}
			if strings.Contains(path, "/clients/") {
				statuses = append(statuses, "404")
			}
			slices.Sort(statuses)
			if got := slices.Sorted(maps.Keys(op.Responses.Map())); !slices.Equal(got, statuses) {
				t.Errorf("%s: %v, want %v", op.OperationID, got, statuses)
			}
		}
	}
	for id := range left {
		t.Errorf("%s is missing", id)
	}
}

// compare compares a schema with a type.
func compare(t *testing.T, at string, ref *openapi3.SchemaRef, typ reflect.Type, body bool) {
	t.Helper()
	schema := ref.Value
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	want := map[reflect.Kind]string{reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "array", reflect.String: "string",
		reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer"}[typ.Kind()]
	if typ == reflect.TypeFor[json.RawMessage]() {
		want = ""
	}
	if schema.Const == nil && strings.Join(schema.Type.Slice(), " ") != want {
		t.Errorf("%s: %v, want %q", at, schema.Type, want)
		return
	}
	switch {
	case want == "array":
		compare(t, at+"[]", schema.Items, typ.Elem(), body)
	case typ.Kind() == reflect.Map:
		compare(t, at+".*", schema.AdditionalProperties.Schema, typ.Elem(), body)
	case want == "object":
		var names, required []string
		for i := range typ.NumField() {
			name, omit, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
			if omit == "" {
				required = append(required, name)
			}
			if field := schema.Properties[name]; field != nil {
				compare(t, at+"."+name, field, typ.Field(i).Type, body)
			}
		}
		if body {
			required = musts[typ]
		}
		if got := slices.Sorted(maps.Keys(schema.Properties)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
			t.Errorf("%s: the fields %q, want %q", at, got, names)
		}
		if !slices.Equal(slices.Sorted(slices.Values(schema.Required)), slices.Sorted(slices.Values(required))) {
			t.Errorf("%s: required are %q, want %q", at, schema.Required, required)
		}
	}
}

// A name fits its schema if the code takes it.
func TestOpenAPINames(t *testing.T) {
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	schemas := c.doc.Components.Schemas
	presence := func(name string) error {
		if err := protocol.CheckChannel(name); err != nil || protocol.IsPresence(name) {
			return err
		}
		return fmt.Errorf("%q is no presence channel", name)
	}
	names := []string{"", ".", "..", "...", "a", "a.", "..a", "a b", "ä", "a\x00", "\x1f", "\x7f", "a\u009f", "\u00a0", "a/b",
		"Zz09_-=@,;", "presence-", "presence-a.b", "presence-a b", "1.2", "1.", ".2", "1.2.3", "-1.2", "01.2 "}
	for _, most := range []int{protocol.MaxChannelName, protocol.MaxUserID, protocol.MaxEventName} {
		for _, n := range []int{most, most + 1} {
			names = append(names, strings.Repeat("x", n), "presence-"+strings.Repeat("x", n-len("presence-")))
		}
	}
	for _, rule := range []struct {
		what   string
		schema *openapi3.SchemaRef
		check  func(string) error
	}{
		{"channel", schemas["Channel"], protocol.CheckChannel},
		{"user", schemas["User"], protocol.CheckUser},
		{"client", schemas["Client"], checkClient},
		{"event", schemas["Publication"].Value.Properties["event"], protocol.CheckEvent},
		{"presence channel", c.doc.Paths.Value("/api/channels/{channel}/presence").Get.Parameters[0].Value.Schema, presence},
		{"user of a path", c.doc.Components.Parameters["User"].Value.Schema, protocol.CheckUser},
		{"client of a path", c.doc.Components.Parameters["Client"].Value.Schema, checkClient},
	} {
		for _, name := range names {
			wrong := rule.check(name)
			if err := rule.schema.Value.VisitJSON(name, openapi3.EnableJSONSchema2020()); (err == nil) != (wrong == nil) {
				t.Errorf("%s %q: the schema says %v, the code %v", rule.what, name, err, wrong)
			}
		}
	}
}

// Counts, defaults and the like, and what texts say of sizes and times, are the
// code's. The list has all of them.
func TestOpenAPIValues(t *testing.T) {
	var tree any
	if err := json.Unmarshal([]byte(description()), &tree); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	noteValues("", tree, got)

	room, small := fmt.Sprintf("%d MiB", bodyRoom>>20), fmt.Sprintf("%d KiB", smallBody>>10)
	late, wait := fmt.Sprintf("%g s", bodyTime.Seconds()), fmt.Sprintf("%g s", waitLimit.Seconds())
	want := map[string]string{
		"/info/description":    late,
		"/Timeout/description": late, "/Timeout/example/error/message": late,
		"/TooLarge/example/error/message": fmt.Sprintf("%d bytes", smallBody),
		"/Channel/description":            fmt.Sprintf("1 to %d", protocol.MaxChannelName),
		"/User/description":               fmt.Sprintf("1 to %d", protocol.MaxUserID),

		"/parameters/Client/required": "true", "/parameters/User/required": "true",
		"/api/channels/{channel}/presence/get/parameters/0/required": "true",

		"/requestBodies/Channel/required": "true", "/requestBodies/Channel/description": small,
		"/requestBodies/Disconnect/required": "false", "/requestBodies/Disconnect/description": small,
		"/requestBodies/Disconnect/schema/reason/default":     `""`,
		"/requestBodies/Disconnect/schema/reason/description": "123 bytes",

		"/api/publish/post/requestBody/required":    "true",
		"/api/publish/post/requestBody/description": room + ", twice",

		"/api/publish/batch/post/description":                          wait,
		"/api/publish/batch/post/requestBody/required":                 "true",
		"/api/publish/batch/post/requestBody/schema/batch/description": room + ", four times",
		"/api/publish/batch/post/requestBody/schema/batch/minItems":    "1",
		"/api/publish/batch/post/requestBody/schema/batch/maxItems":    fmt.Sprint(maxBatch),

		"/Publication/to/description":    fmt.Sprintf("%d,%03d in all", maxTargets/1000, maxTargets%1000),
		"/Publication/to/all/default":    "false",
		"/Publication/event/default":     fmt.Sprintf("%q", protocol.DefaultEvent),
		"/Publication/event/description": fmt.Sprintf("%d bytes", protocol.MaxEventName),
		"/Publication/data/default":      "null",
		"/Publication/encoding/default":  `""`,
		"/Publication/encoding/enum":     `["","base64"]`,
		"/Publication/wait/default":      "false",
		"/Publication/wait/description":  wait,

		"/Delivery/dependentRequired": `{"dropped":["written","queued"],"queued":["written","dropped"],"written":["queued","dropped"]}`,

		"/Unauthorized/headers/WWW-Authenticate/required": "true",
		"/Busy/headers/Retry-After/required":              "true",
		"/TooMany/headers/Retry-After/required":           "true",
	}
	for i, list := range []string{"to/channels", "to/users", "to/clients", "except/users", "except/clients"} {
		want["/Publication/"+list+"/maxItems"] = fmt.Sprint(maxTargets)
		if to, one, _ := strings.Cut(list, "/"); to == "to" {
			want[fmt.Sprintf("/Publication/to/anyOf/%d/%s/minItems", i, one)] = "1"
		}
	}
	for place := range maps.Keys(got) {
		if want[place] == "" {
			t.Errorf("%s: %s, which no list here has", place, got[place])
		}
	}
	for place, value := range want {
		if got[place] != value {
			t.Errorf("%s: %q, want %q", place, got[place], value)
		}
	}
}

var (
	binding  = []string{"minItems", "maxItems", "default", "enum", "required", "dependentRequired"}
	measures = regexp.MustCompile(`[0-9][0-9,]*( (s|KiB|MiB|bytes|in all)\b| to [0-9]+)|\b(twice|four times)\b`)
	layers   = strings.NewReplacer("/components", "", "/schemas", "", "/responses", "", "/properties", "", "/content/application/json", "", "/paths/", "")
)

// noteValues notes what binds in schemas, and the sizes and times in texts, by
// places without the layers that say nothing. TestOpenAPIShapes has the lists of
// required fields, TestOpenAPIStatuses the codes of errors.
func noteValues(at string, node any, found map[string]string) {
	const codes = "/components/schemas/Error/properties/error/properties/code/enum"
	switch node := node.(type) {
	case map[string]any:
		for name, below := range node {
			_, list := below.([]any)
			if place := at + "/" + name; slices.Contains(binding, name) && !(name == "required" && list) && place != codes {
				value, _ := json.Marshal(below)
				found[layers.Replace(place)] = string(value)
			} else {
				noteValues(place, below, found)
			}
		}
	case []any:
		for i, below := range node {
			noteValues(fmt.Sprint(at, "/", i), below, found)
		}
	case string:
		if list := measures.FindAllString(node, -1); list != nil {
			found[layers.Replace(at)] = strings.Join(list, ", ")
		}
	}
}
