import { crc32, inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { addImageMetadata } from './image-activities.ts'

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
// SOI, APP0 (JFIF), a quantisation table cut short, EOI: enough for whoever only looks at segments.
const jpeg = Buffer.from('ffd8ffe000104a46494600010100000100010000ffdb000401aaffd9', 'hex')
const path = 'acme/brief/0000/1f2e3d4c.gen.0000.cat'

const add = async (body: Buffer, metadata: Record<string, unknown>, name = 'cat.png') => {
  const context = makeTestContext({ files: { [path]: { body, content_type: 'image/png', name } } })
  const outputs = await runActivity(addImageMetadata, { image_path: path, metadata }, context)
  const { images } = outputs as { images: { path: string; content_type: string; size: number }[] }
  return { image: images[0]!, bytes: context.stored.get(images[0]!.path)!.bytes }
}
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error) => error,
  )

/** Chunks of a PNG, their checksums verified. */
const chunksOf = (image: Buffer) => {
  const chunks: { type: string; data: Buffer }[] = []
  for (let at = 8; at < image.length; ) {
    const length = image.readUInt32BE(at)
    expect(image.readUInt32BE(at + 8 + length)).toBe(crc32(image.subarray(at + 4, at + 8 + length)))
    chunks.push({ type: image.toString('latin1', at + 4, at + 8), data: image.subarray(at + 8, at + 8 + length) })
    at += 12 + length
  }
  return chunks
}

describe('PNG', () => {
  it('gets a text chunk for each key before its data, which stay as they are', async () => {
    const { image, bytes } = await add(png, { Title: 'A cat', Größe: 'Ümläut 🐱', score: 4, none: null })
    expect(image).toMatchObject({ content_type: 'image/png', name: 'cat.png', extension: 'png', size: bytes.length })
    const chunks = chunksOf(bytes)
    expect(chunks.map(({ type }) => type)).toEqual(['IHDR', 'tEXt', 'iTXt', 'tEXt', 'IDAT', 'IEND'])
    expect(chunks[1]!.data.toString('latin1')).toBe('Title\0A cat')
    expect(chunks[2]!.data.subarray(0, 10).toString('latin1')).toBe('Größe\0\0\0\0\0')
    expect(chunks[2]!.data.subarray(10).toString()).toBe('Ümläut 🐱')
    expect(chunks[3]!.data.toString('latin1')).toBe('score\x004')
    expect(inflateSync(chunks[4]!.data).equals(inflateSync(chunksOf(png)[1]!.data))).toBe(true)
  })

  it('replaces a key that is there already', async () => {
    const once = await add(png, { Title: 'old', Other: 'stays' })
    const twice = await add(once.bytes, { Title: 'new' })
    const texts = chunksOf(twice.bytes).filter(({ type }) => type === 'tEXt')
    expect(texts.map(({ data }) => data.toString('latin1'))).toEqual(['Title\0new', 'Other\0stays'])
  })

  it.each(['', ' a', 'a ', 'a  b', 'x'.repeat(80), 'a\0b', '東京'])('refuses the key %j', async (key) => {
    expect(await failure(add(png, { [key]: 'x' }))).toMatchObject({ code: 'parameter_invalid' })
  })

  it('refuses a damaged one', async () => {
    for (const length of [8, 20, png.length - 1]) {
      const error = await failure(add(png.subarray(0, length), { a: 'x' }))
      expect(error.message).toContain('damaged')
    }
  })
})

describe('JPEG', () => {
  it('gets one comment with all keys as JSON, behind the application segments', async () => {
    const { image, bytes } = await add(jpeg, { Title: 'A cat 🐱', score: 4 }, 'cat.jpg')
    expect(image.content_type).toBe('image/jpeg')
    const comment = Buffer.from('{"Title":"A cat 🐱","score":"4"}')
    expect(bytes.subarray(0, 20).equals(jpeg.subarray(0, 20))).toBe(true)
    expect(bytes.readUInt16BE(20)).toBe(0xfffe)
    expect(bytes.readUInt16BE(22)).toBe(comment.length + 2)
    expect(bytes.subarray(24, 24 + comment.length).equals(comment)).toBe(true)
    expect(bytes.subarray(24 + comment.length).equals(jpeg.subarray(20))).toBe(true)
  })

  it('refuses too much, and a damaged one', async () => {
    expect(await failure(add(jpeg, { a: 'x'.repeat(70_000) }))).toMatchObject({ code: 'parameter_invalid' })
    expect((await failure(add(jpeg.subarray(0, 10), { a: 'x' }))).message).toContain('damaged')
  })
})

it('fails clearly on other formats and on what is not there', async () => {
  const error = await failure(add(Buffer.from('GIF89a'), { a: 'x' }, 'cat.gif'))
  expect(error).toMatchObject({ code: 'activity_failed' })
  expect(error.message).toContain(`'cat.gif' is neither PNG nor JPEG (image/gif)`)
  const missing = runActivity(addImageMetadata, { image_path: 'acme/x', metadata: {} })
  expect(await failure(missing)).toMatchObject({ code: 'not_found' })
})
