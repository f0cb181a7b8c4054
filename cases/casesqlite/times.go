package casesqlite

import (
	"reflect"
	"time"

	"github.com/symbolon/symbolon/cases"
)

// toMS is the moment that a store keeps: to the millisecond, in UTC.
func toMS(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// trimmed is a copy of d whose times, wherever they stand, are to the millisecond in UTC. The caller's document stays
// as it is.
func trimmed(d cases.Document) cases.Document {
	trim(reflect.ValueOf(&d).Elem())
	return d
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	bytesType = reflect.TypeFor[[]byte]()
)

// trim trims the times below v, which can be set and is nobody else's; what it refers to is copied first.
func trim(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(toMS(v.Interface().(time.Time))))
			return
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				trim(f)
			}
		}
	case reflect.Slice:
		if v.IsNil() || v.Type() == bytesType || !holdsTimes(v.Type().Elem()) {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		for i := range c.Len() {
			trim(c.Index(i))
		}
		v.Set(c)
	case reflect.Pointer:
		if v.IsNil() || !holdsTimes(v.Type().Elem()) {
			return
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		trim(c.Elem())
		v.Set(c)
	}
}

// holdsTimes reports whether values of a type may have times in them. A document has no times in maps, and no type that
// holds itself.
func holdsTimes(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		if t == timeType {
			return true
		}
		for i := range t.NumField() {
			if holdsTimes(t.Field(i).Type) {
				return true
			}
		}
	case reflect.Slice, reflect.Pointer:
		return holdsTimes(t.Elem())
	}
	return false
}
