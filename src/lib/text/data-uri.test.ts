import { describe, expect, it } from 'vitest'
import { readDataUri, replaceDataUris } from './data-uri.ts'

describe('readDataUri', () => {
  it.each([
    ['data:image/png;base64,QUJD', { type: 'image/png', bytes: Buffer.from('ABC') }],
    ['data:audio/wav;codec=1;base64,QUJD', { type: 'audio/wav', bytes: Buffer.from('ABC') }],
    ['data:image/svg+xml;utf8,%3Csvg/%3E', { type: 'image/svg+xml', bytes: Buffer.from('<svg/>') }],
    ['data:text/plain,100%', undefined],
    ['data: ABC', undefined],
    ['https://example.com/;base64,QUJD', undefined],
    ['data:', undefined],
    [`data:${'x'.repeat(700)};base64,QUJD`, undefined],
  ])('%j', (text, expected) => expect(readDataUri(text)).toEqual(expected))
})

describe('replaceDataUris', () => {
  const kept = (text: string) => replaceDataUris(text, async ({ type, bytes }) => `<${type} ${bytes}>`)

  it('replaces each, and leaves everything else as it is', async () => {
    const text = 'One ![a](data:image/png;base64,QUI=) two data:image/webp;base64,QUJD, and data: alone;base64, here.'
    expect(await kept(text)).toBe('One ![a](<image/png AB>) two <image/webp ABC>, and data: alone;base64, here.')
  })

  it('takes time that grows with the text alone', async () => {
    const started = performance.now()
    for (const text of [`${'data:a/b;c=d'.repeat(80_000)};base64,`, `data:a/b${';c=d'.repeat(200_000)};base64,`]) {
      expect(await kept(text)).toBe(text)
    }
    expect(performance.now() - started).toBeLessThan(15_000)
  })
})
