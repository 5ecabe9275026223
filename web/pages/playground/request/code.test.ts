import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeFor, codeLanguages, hasImages, imagePlaceholder } from './code.ts'

const call = (body: Record<string, unknown>) => ({ url: 'http://localhost:7070', collection: 'acme', body })
const messages = [{ role: 'user', content: 'It\'s a "test" $HOME `id` \\ \n é' }]
const body = { model: 'gpt-4o-mini', messages, temperature: 0.5, response_format: { type: 'json_object' }, top_k: 3 }

describe('code for a call', () => {
  it.each(codeLanguages)('in %s names the collection and reads the key from a variable', (language) => {
    const code = codeFor(language, call(body))
    expect(code).toContain('JETTY_API_TOKEN')
    expect(code).toContain('acme')
    expect(code).not.toMatch(/mlc_|Bearer [^$]/)
  })

  it('in Python writes its words, and members that the library does not know in extra_body', () => {
    const code = codeFor('Python', call({ ...body, logprobs: true, stop: null, tools: [] }))
    expect(code).toContain('    logprobs=True,\n    stop=None,\n    tools=[],\n')
    expect(code).toContain('    extra_body={\n        "top_k": 3,\n    },\n')
  })

  it('leaves out the bytes of images, and says so', () => {
    const content = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }]
    const seen = { model: 'm', messages: [{ role: 'user', content }] }
    expect([hasImages(body), hasImages(seen)]).toEqual([false, true])
    expect(codeFor('curl', call(seen))).toContain(`data:image/png;base64,${imagePlaceholder}`)
    expect(codeFor('curl', call(seen))).not.toContain('iVBOR')
  })

  it('keeps every text in one word of the shell', () => {
    const words = (code: string) =>
      execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }\n${code}`], { env: { JETTY_API_TOKEN: 'k' } })
        .toString()
        .split('\0')
    const printable = fc.string().map((text) => text.replaceAll('\0', ''))
    fc.assert(
      fc.property(printable, printable, (content, name) => {
        const sent = { model: name, messages: [{ role: 'user', content }] }
        const given = words(codeFor('curl', call(sent)))
        expect(JSON.parse(given[given.indexOf('--data-binary') + 1] ?? '')).toEqual(sent)
        expect(given[2]).toBe('Authorization: Bearer k')
      }),
      { numRuns: 30 },
    )
  })

  it('in TypeScript holds the request as it is sent', () => {
    const text = /create\((.*)\)\nconsole/s.exec(codeFor('TypeScript', call(body)))?.[1] ?? ''
    expect(JSON.parse(text)).toEqual(body)
  })
})
