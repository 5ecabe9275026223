import { expect, it } from 'vitest'
import { contentTypeOf, extensionFor, extensionOf, isTextType } from './media-type.ts'

it.each([
  ['a.txt', 'txt'],
  ['a.b.JSON', 'json'],
  ['/app/v1.2/readme', ''],
  ['.env', ''],
  ['a.', ''],
  ['', ''],
])('extension of %j is %j', (name, extension) => expect(extensionOf(name)).toBe(extension))

it.each([
  ['report.pdf', 'application/pdf'],
  ['photo.JPEG', 'image/jpeg'],
  ['constructor', 'application/octet-stream'],
  ['x.constructor', 'application/octet-stream'],
  ['x.unknown', 'application/octet-stream'],
  // What public lists have as MPEG-2 video, XML, Publisher and Ogg, or not at all.
  ['main.ts', 'text/x-typescript'],
  ['main.rs', 'application/octet-stream'],
  ['id_ed25519.pub', 'application/octet-stream'],
  ['voice.opus', 'audio/opus'],
  ['script.py', 'text/x-python'],
  ['rows.jsonl', 'application/jsonl'],
  ['rows.parquet', 'application/vnd.apache.parquet'],
])('content type of %j is %j', (name, type) => expect(contentTypeOf(name)).toBe(type))

it.each([
  ['image/jpeg', 'jpg'],
  ['image/jpg', 'jpg'],
  ['Text/Plain; charset=utf-8', 'txt'],
  ['image/png', 'png'],
  ['application/gzip', 'gz'],
  ['x/constructor', undefined],
  ['constructor', undefined],
])('extension for %j is %j', (type, extension) => expect(extensionFor(type)).toBe(extension))

it.each([
  ['text/plain; charset=latin1', true],
  ['application/ld+json', true],
  ['image/svg+xml', true],
  ['application/pdf', false],
  ['', false],
])('%j is text: %j', (type, text) => expect(isTextType(type)).toBe(text))
