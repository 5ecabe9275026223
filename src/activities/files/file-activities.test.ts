import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { OutgoingRequest, OutgoingResponse } from '../activity.ts'
import { downloadImage } from './file-activities.ts'

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error) => error,
  )

const answering = (body: Uint8Array, answer: Partial<OutgoingResponse> = {}) => {
  const requests: OutgoingRequest[] = []
  const context = makeTestContext({
    fetch: async (url, request = {}) => {
      requests.push(request)
      const text = async () => Buffer.from(body).toString()
      return { status: 200, headers: {}, url, bytes: async () => body, text, ...answer }
    },
  })
  return { context, requests }
}

describe('download_image', () => {
  it.each([
    ['https://example.com/cat.png', 'cat.png'],
    ['https://example.com/cat.jpg?size=1', 'cat.png'],
    ['https://example.com/my%20cat%2Fx', 'my catx.png'],
    ['https://example.com/', 'image.png'],
    ['https://example.com/..%2f..', 'image.png'],
    ['https://example.com/100%', '100%.png'],
  ])('keeps %s as %s', async (url, name) => {
    const { context, requests } = answering(png, { headers: { 'content-type': 'text/html' } })
    const path = `acme/brief/0000/1f2e3d4c.step.0000.${name}`
    expect(await runActivity(downloadImage, { url }, context)).toEqual({
      images: [{ path, name, extension: 'png', content_type: 'image/png', size: png.length }],
    })
    expect(context.stored.get(path)?.bytes.equals(png)).toBe(true)
    expect(requests[0]?.maxBytes).toBe(50 * 1024 * 1024)
  })

  it.each([
    [Buffer.from('<html>'), { headers: { 'content-type': 'text/html; charset=utf-8' } }, 'text/html'],
    [Buffer.from('%PDF-1.7'), {}, 'application/pdf'],
    [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), { headers: { 'content-type': 'image/svg+xml' } }, 'svg'],
    [Buffer.from(''), {}, 'another kind of file'],
  ])('refuses what is no image: %#', async (body, answer, words) => {
    const { context } = answering(body, answer)
    const error = await failure(runActivity(downloadImage, { url: 'https://example.com/x?key=hidden' }, context))
    expect(error).toMatchObject({ code: 'activity_failed' })
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('hidden')
    expect(context.stored.size).toBe(0)
  })

  it.each([
    [404, false],
    [429, true],
    [503, true],
  ])('fails on %d; trying again helps: %j', async (status, retryable) => {
    const { context } = answering(png, { status })
    const error = await failure(runActivity(downloadImage, { url: 'https://example.com/x' }, context))
    expect(error).toMatchObject({ code: 'upstream_failed', retryable })
  })
})
