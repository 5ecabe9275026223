import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import { makeScrubber } from './scrub.ts'

const scrubberOf = (values: string[]) => makeScrubber(values.map((value, at) => [`SECRET_${at}`, value]))

describe('the password of a connection URL', () => {
  it.each([
    ['postgres://me:p%40ss-w%2Frd@db/x', 'p@ss-w/rd or p%40ss-w%2Frd', '*** or ***'],
    ['redis://:lonely-password@cache:6379', 'lonely-password', '***'],
    ['postgres://postgres:postgres@localhost/x', 'postgres', 'postgres'],
    ['postgres://me:warehouse@localhost/warehouse', 'warehouse', 'warehouse'],
    ['https://example.com/a@b', 'example.com', 'example.com'],
  ])('of %s', (url, said, scrubbed) => {
    const { text } = scrubberOf([url])
    expect(text(`it said ${said}`)).toBe(`it said ${scrubbed}`)
  })
})

describe('striking secrets out', () => {
  const secret = 'pä"ss\\word/+1'
  const { json, text } = scrubberOf([secret, '1234567', 'short'])

  it('finds a secret in strings, keys and numbers, as itself and as JSON, URL and base64 write it', () => {
    const value = {
      plain: `x${secret}y`,
      nested: [{ [secret]: JSON.stringify({ inner: secret }) }],
      twice: JSON.stringify(JSON.stringify(secret)),
      url: `https://x/?k=${encodeURIComponent(secret)}`,
      query: new URLSearchParams({ k: secret }).toString(),
      php: JSON.stringify(secret).replaceAll('/', '\\/'),
      python: JSON.stringify(secret).replace('ä', '\\u00e4'),
      html: `<a title='${secret.replace('"', '&quot;')}'>`,
      base64: Buffer.from(`user:${secret}`).toString('base64'),
      number: 1234567,
      short: 'short',
    }
    const scrubbed = json(value)
    const parsed = JSON.parse(scrubbed)
    expect(scrubbed).not.toContain('word')
    expect(parsed.plain).toBe('x***y')
    expect(parsed.url).toBe('https://x/?k=***')
    expect([parsed.query, parsed.php, parsed.python, parsed.html]).toEqual([
      'k=***',
      '"***"',
      '"***"',
      "<a title='***'>",
    ])
    expect(parsed.number).toBe('***')
    expect(parsed.short).toBe('short')
    expect(Buffer.from(parsed.base64.replace('***', ''), 'base64').toString()).not.toContain('word')
    expect(text(`failed with ${secret}`)).toBe('failed with ***')
  })

  it('finds secrets of any length, and many of them', () => {
    const long = Array.from({ length: 20_000 }, (_, at) => `${at}.*/"é`).join('')
    const some = Array.from({ length: 2_000 }, (_, at) => `same-start-${at}-end`)
    const scrub = scrubberOf([long, ...some])
    for (const hidden of [long, encodeURIComponent(long), Buffer.from(long).toString('base64')]) {
      expect(scrub.text(`before ${hidden} after`)).toBe('before *** after')
    }
    expect(JSON.parse(scrub.json({ [long]: [`${some[1999]}${some[3]}`, 'same-start-2000-en'] }))).toEqual({
      '***': ['******', 'same-start-2000-en'],
    })
  })

  it('takes the longest of those that begin at a place, and goes on after one that only began', () => {
    const { text } = scrubberOf(['aaaaaab', 'abcdef', 'abcdefgh'])
    expect(text('aaaaaaab aaaaaa abcdefg abcdefghi')).toBe('a*** aaaaaa ***g ***i')
    expect(scrubberOf(['\ud800'.repeat(6)]).text('plain text')).toBe('plain text')
  })

  it('finds what a plain search finds', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 6, maxLength: 12 })
    const naive = (secrets: string[], text: string): string => {
      let scrubbed = ''
      for (let at = 0; at < text.length; ) {
        const found = secrets.filter((one) => text.startsWith(one, at)).sort((a, b) => b.length - a.length)[0]
        scrubbed += found === undefined ? text[at] : '***'
        at += found?.length ?? 1
      }
      return scrubbed
    }
    fc.assert(
      fc.property(fc.array(few, { minLength: 1, maxLength: 4 }), fc.array(few, { maxLength: 12 }), (secrets, parts) => {
        const text = parts.join('')
        expect(scrubberOf(secrets).text(text)).toBe(naive(secrets, text))
      }),
    )
  })

  it('leaves everything else exactly as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = JSON.stringify(value)
        if (!plain.includes('1234567') && !plain.includes('word')) expect(json(value)).toBe(plain)
      }),
    )
  })

  it('never lets a secret through, wherever it stands, and always gives JSON', () => {
    const secretText = fc
      .string({ minLength: 6, maxLength: 20, unit: anyCharacter })
      .filter((one) => !/[\uD800-\uDFFF]/u.test(one))
    fc.assert(
      fc.property(secretText, fc.string(), fc.string(), (hidden, before, after) => {
        const scrub = scrubberOf([hidden])
        const parsed = JSON.parse(scrub.json({ a: [before + hidden + after], [hidden]: JSON.stringify([hidden]) }))
        expect(JSON.stringify(parsed).includes(hidden)).toBe(false)
        expect(scrub.text(before + hidden + after).includes(hidden)).toBe(false)
        const json = JSON.stringify([before, before + hidden + after, hidden])
        expect(scrub.jsonBytes(Buffer.from(json)).toString()).toBe(scrub.jsonText(json))
        const without = Buffer.from(JSON.stringify('~'.repeat(after.length)))
        expect(scrub.jsonBytes(without)).toBe(without)
      }),
    )
  })

  it('strikes out of JSON text what it would strike out of the parsed value, however long and escaped its strings are', () => {
    const hidden = 'se"cret\\n✓'
    const scrub = scrubberOf([hidden, '7654321'])
    const deep = (value: unknown): unknown => {
      if (typeof value === 'string') return scrub.text(value)
      if (typeof value === 'number') return String(value).includes('7654321') ? '***' : value
      if (Array.isArray(value)) return value.map(deep)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [scrub.text(key), deep(item)]))
    }
    const part = fc.constantFrom(
      'a',
      '\n',
      '"',
      '\\',
      'é',
      '😀',
      hidden,
      hidden.slice(0, 5),
      '7654321',
      'x'.repeat(65_530),
    )
    const string = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''))
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        string,
        fc.constantFrom(7654321, -1.5, 17654321e3, null, true),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(
          string.map((one) => one.slice(0, 40)),
          tie('any'),
          { maxKeys: 4 },
        ),
      ),
    })).any
    fc.assert(
      fc.property(value, (one) => {
        expect(JSON.parse(scrub.json(one))).toEqual(deep(one))
      }),
      { numRuns: 200 },
    )
  })

  it('leaves the rest of a JSON text as it was written', () => {
    const scrub = scrubberOf(['hidden-one'])
    expect(scrub.jsonText('{ "a" : 1.0, "b":"\\u00e9\\/", "c": ["x hidden-one y"] }')).toBe(
      '{ "a" : 1.0, "b":"\\u00e9\\/", "c": ["x *** y"] }',
    )
  })

  it('finds a value whose ends somebody has trimmed', () => {
    expect(scrubberOf(['from a file\n']).text('<from a file>')).toBe('<***>')
  })

  describe('of bytes', () => {
    const bytesOf = (scrub: ReturnType<typeof makeScrubber>, pieces: Buffer[], keepsLength = false) => {
      const clean = scrub.bytes({ keepsLength })
      const bytes = Buffer.concat([...pieces.map((piece) => clean.push(piece)), clean.rest()])
      return { bytes, found: [...clean.found] }
    }

    it('finds what is found in texts, wherever they were cut, and names it', () => {
      const few = fc.string({ unit: fc.constantFrom('a', 'b', 'ä'), minLength: 6, maxLength: 12 })
      fc.assert(
        fc.property(
          fc.array(few, { minLength: 1, maxLength: 4 }),
          fc.array(few, { maxLength: 12 }),
          fc.array(fc.nat(150), { maxLength: 20 }),
          (secrets, parts, cuts) => {
            const text = Buffer.from(parts.join(''))
            const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length]
            const pieces = at.slice(1).map((end, index) => text.subarray(at[index], end))
            const scrub = scrubberOf(secrets)
            const { bytes, found } = bytesOf(scrub, pieces)
            expect(bytes.toString()).toBe(scrub.text(text.toString()))
            expect(found.length > 0).toBe(bytes.includes('***'))
          },
        ),
      )
    })

    it('leaves what is no text as long as it was, and every other byte as it is', () => {
      const before = Buffer.from([0, 255, 128, 10, 0xc3])
      const scrub = scrubberOf(['other', 'not there', secret])
      const { bytes, found } = bytesOf(scrub, [before, Buffer.from(secret), before], true)
      expect(bytes).toEqual(Buffer.concat([before, Buffer.alloc(Buffer.byteLength(secret), '*'), before]))
      expect(found).toEqual(['SECRET_2'])
    })

    it('passes on what can be no beginning of a secret', () => {
      const clean = scrubberOf(['abcdefgh', 'abcdef']).bytes()
      const given = ['data: x\n\n', 'abc', 'd', 'x', 'abcdef', 'g', 'h.']
      expect(given.map((piece) => clean.push(Buffer.from(piece)).toString())).toEqual([
        ...['data: x\n\n', '', '', 'abcdx', '', '', '***.'],
      ])
      expect(clean.push(Buffer.from('abcdef')).toString()).toBe('')
      expect(clean.rest().toString()).toBe('***')
      expect(scrubberOf(['short']).bytes().push(Buffer.from('short')).toString()).toBe('short')
    })
  })
})
