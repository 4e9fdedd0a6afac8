package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// jsonSchema describes the JSON of a value's type, for who asks a service what it takes and gives.
func jsonSchema(v any) string {
	if v == nil {
		return ""
	}
	text, err := json.Marshal(describeType(reflect.TypeOf(v)))
	if err != nil {
		return "" // maps of strings have no error
	}
	return string(text)
}

func describeType(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describeType(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": describeType(t.Elem())}
	case reflect.Struct:
		properties := map[string]any{}
		describeFields(t, properties)
		return map[string]any{"type": "object", "properties": properties}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": "integer"}
}

// describeFields adds the fields of a struct, those of structs within it among them.
func describeFields(t reflect.Type, properties map[string]any) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			describeFields(f.Type, properties)
		case name != "" && name != "-":
			properties[name] = describeType(f.Type)
		}
	}
}
