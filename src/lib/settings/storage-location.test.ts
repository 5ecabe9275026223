import { describe, expect, it } from 'vitest'
import { parseStorageLocation, shownLocation } from './storage-location.ts'

const s3 = { kind: 's3', bucket: 'acme', prefix: '', endpoint: undefined, region: undefined, isPathStyle: false }

describe('JETTY_STORAGE', () => {
  it.each([
    ['disk', { kind: 'disk' }],
    ['s3://acme', s3],
    ['s3://acme/', s3],
    ['s3://acme/a/b/', { ...s3, prefix: 'a/b' }],
    ['s3://acme.files', { ...s3, bucket: 'acme.files', isPathStyle: true }],
    ['s3://acme?region=eu-west-1', { ...s3, region: 'eu-west-1' }],
    ['s3://acme?endpoint=http://10.0.0.1:9000', { ...s3, endpoint: 'http://10.0.0.1:9000', isPathStyle: true }],
    ['s3://acme?endpoint=https://x.example/&path_style=false', { ...s3, endpoint: 'https://x.example' }],
  ])('%s', (text, expected) => {
    expect(parseStorageLocation(text)).toEqual(expected)
  })

  it.each([
    '',
    '/var/lib/files',
    's3://',
    's3://ab',
    's3://Acme',
    's3://key:secret@acme',
    's3://acme:9000',
    's3://acme/a b',
    's3://acme/a//b',
    's3://acme/a%2fb',
    's3://acme?region=eu west',
    's3://acme?path_style=maybe',
    's3://acme?endpoint=ftp://x',
    's3://acme?endpoint=https://user:password@x',
    's3://acme?endpoint=https://x/path',
    's3://acme?secret=x',
    's3://acme#x',
    'https://acme.s3.amazonaws.com',
  ])('%j is refused', (text) => {
    expect(parseStorageLocation(text)).toBeUndefined()
  })

  it('is shown without its options', () => {
    const shown = ['disk', 's3://acme/a/b?endpoint=https://x.example'].map((text) => {
      const location = parseStorageLocation(text)
      return location && shownLocation(location)
    })
    expect(shown).toEqual(['disk', 's3://acme/a/b'])
  })
})
