import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAllowedImage, readImagePatterns } from './image-names.ts'

it.each([
  ['*', 'evil.example:5000/any/thing:1', true],
  ['*', 'sha256:0f', true],
  ['debian', 'debian', true],
  ['debian', 'debian:12', true],
  ['debian', 'docker.io/library/debian@sha256:00', true],
  ['debian', 'index.docker.io/debian', true],
  ['debian', 'debian.example/x', false],
  ['debian*', 'debian.example/x', false],
  ['debian*', 'debian.example/library/debian', false],
  ['debian*', 'debian-slim:12', true],
  ['debian:12*', 'debian:12-slim', true],
  ['debian:12*', 'debian:13', false],
  ['debian:12', 'debian:12@sha256:00', false], // the engine takes the digest, whatever the tag says
  ['debian:1*', 'debian:12@sha256:00', false],
  ['debian@sha256:00', 'debian:12@sha256:00', true],
  ['debian:latest', 'debian', true],
  ['docker.io/*', 'debian', true],
  ['docker.io/*', 'acme/tools:1', true],
  ['docker.io/*', 'ghcr.io/acme/tools', false],
  ['docker.io/*', 'docker.io.example/x', false],
  ['docker.io/*', 'docker.io:5000/x', false],
  ['docker.io/*', 'Docker.io/x', false],
  ['docker.io/*', 'sha256:0f', false], // what the engine has from elsewhere
  ['sha256:*', 'sha256:0f', false],
  ['acme/*', 'acme/tools', true],
  ['acme/*', 'ghcr.io/acme/tools', false],
  ['acme/*', 'ACME/tools', false],
  ['ghcr.io/acme/*', 'ghcr.io/acme/team/tools:1', true],
  ['ghcr.io/acme/*', 'ghcr.io/acme', false],
  ['ghcr.io/acme/*', 'ghcr.io/acme2/tools', false],
  ['ghcr.io/acme/*:stable', 'ghcr.io/acme/tools:stable', true],
  ['ghcr.io/acme/*:stable', 'ghcr.io/acme/tools:2', false],
  ['*.acme.example/*', 'eu.acme.example/tools', true],
  ['*.acme.example/*', 'evil.example/x.acme.example/tools', false],
  ['localhost/*', 'localhost/tools:1', true],
  ['localhost:5000/*', 'localhost:5000/tools', true],
  ['localhost:5000/*', 'localhost:5001/tools', false],
  ['*/tools', 'evil.example/tools', false],
  ['aba*aba', 'aba', false],
  ['a*b*c', 'axxbxxbxc', true],
  ['a*b*c', 'acb', false],
])('%s and %s: %s', (pattern, image, isAllowed) => {
  expect(isAllowedImage([pattern], image)).toBe(isAllowed)
})

it.each([
  ['*', ['*']],
  [' ghcr.io/acme/*, debian:12* ,', ['ghcr.io/acme/*', 'debian:12*']],
  ['none', []],
  ['none,debian', undefined],
  [',', undefined],
  ['a b', undefined],
  ['https://ghcr.io/x y', undefined],
  ['[a-z]', undefined],
  ['-x', undefined],
])('reads %j', (text, patterns) => {
  expect(readImagePatterns(text)).toEqual(patterns)
})

const part = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,6}[a-z0-9])?$/)
const registry = fc.oneof(
  fc.constant('docker.io'),
  fc.constant('localhost'),
  fc.stringMatching(/^[a-z]{1,5}\.[a-z]{2}(:\d{2,4})?$/),
)
const path = fc.array(part, { minLength: 2, maxLength: 3 }).map((parts) => parts.join('/'))
const version = fc.oneof(
  part.map((tag) => `:${tag}`),
  fc.stringMatching(/^@sha256:[0-9a-f]{4}$/),
)

describe('any name', () => {
  it('is allowed by itself, by its repository, and by itself with * for any piece of one of its parts', () => {
    fc.assert(
      fc.property(registry, path, version, fc.nat(), fc.nat(), (host, repository, reference, from, length) => {
        const name = `${host}/${repository}${reference}`
        const starred = (text: string) => {
          const at = from % (text.length + 1)
          return `${text.slice(0, at)}*${text.slice(at + (length % (text.length - at + 1)))}`
        }
        const [folder, last = ''] = repository.split(/\/([^/]*)$/)
        const patterns = [name, `${host}/${repository}`, `${host}/${folder}/${starred(last)}`, `${host}/*`]
        const sign = reference.startsWith('@') ? '@sha256:' : ':'
        patterns.push(`${host}/${repository}${sign}${starred(reference.slice(sign.length))}`)
        for (const pattern of patterns) {
          expect(readImagePatterns(pattern)).toEqual([pattern])
          expect({ pattern, isAllowed: isAllowedImage([pattern], name) }).toEqual({ pattern, isAllowed: true })
        }
      }),
    )
  })

  it('is not allowed by what is of another registry, whatever stands in the rest', () => {
    const rest = fc.stringMatching(/^[a-z*./:@-]{1,12}$/)
    fc.assert(
      fc.property(registry, registry, rest, path, version, (host, other, pattern, repository, reference) => {
        fc.pre(host !== other)
        expect(isAllowedImage([`${host}/${pattern}`], `${other}/${repository}${reference}`)).toBe(false)
      }),
    )
  })

  it('fits as the regular expression that says the same', () => {
    const letters = fc.stringMatching(/^[ab*]{1,10}$/)
    fc.assert(
      fc.property(letters, fc.stringMatching(/^[ab]{1,14}$/), (pattern, name) => {
        const same = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name)
        expect(isAllowedImage([`x.example/${pattern}`], `x.example/${name}`)).toBe(same)
      }),
    )
  })
})
