import type { Browser, BrowserContext, Response } from 'playwright-core'
import { pause } from '../src/lib/time.ts'
import { answerKey, type FixtureAnswer } from '../web/fixtures/fixture.ts'

const quietMs = 700

/** A browser context that has signed in by a key. */
export const signedInContext = async (browser: Browser, url: string, key: string): Promise<BrowserContext> => {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(key)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Collections' }).waitFor()
  await page.close()
  return context
}

const answerOf = async (response: Response): Promise<FixtureAnswer> => {
  const type = response.headers()['content-type'] ?? 'application/octet-stream'
  const bytes = await response.body()
  return /^(text\/|application\/json)/.test(type)
    ? { status: response.status(), type, body: bytes.toString() }
    : { status: response.status(), type, body: bytes.toString('base64'), isBase64: true }
}

/**
 * Opens a page and records what the API answers to it, but for streams. `rewrite` makes addresses and texts the same at
 * every recording.
 */
export const recordPage = async (
  context: BrowserContext,
  address: string,
  rewrite: (text: string) => string,
): Promise<Record<string, FixtureAnswer>> => {
  const page = await context.newPage()
  const reading: Promise<[string, FixtureAnswer] | undefined>[] = []
  let last = performance.now()
  const read = async (response: Response): Promise<[string, FixtureAnswer] | undefined> => {
    const { pathname, search } = new URL(response.url())
    const type = response.headers()['content-type'] ?? ''
    if (!pathname.startsWith('/api/') || type.startsWith('text/event-stream')) return undefined
    const request = response.request()
    const answer = await answerOf(response)
    const body = answer.isBase64 ? answer.body : rewrite(answer.body)
    return [answerKey(request.method(), rewrite(pathname + search), request.postData() ?? ''), { ...answer, body }]
  }
  page.on('response', (response) => {
    last = performance.now()
    reading.push(read(response))
  })
  await page.goto(address)
  while (performance.now() - last < quietMs) await pause(50)
  const answers = (await Promise.all(reading)).filter((one) => one !== undefined)
  await page.close()
  return Object.fromEntries(answers)
}

/** A second of moving water, as the browser films it. */
export const filmOf = async (context: BrowserContext): Promise<Uint8Array> => {
  const page = await context.newPage()
  await page.goto('about:blank')
  const film = `new Promise((resolve) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 })
    const brush = canvas.getContext('2d')
    const recorder = new MediaRecorder(canvas.captureStream(12), { mimeType: 'video/webm', videoBitsPerSecond: 80_000 })
    const parts = []
    recorder.ondataavailable = ({ data }) => parts.push(data)
    recorder.onstop = async () => {
      const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
      resolve(btoa(String.fromCharCode(...bytes)))
    }
    let frame = 0
    const draw = () => {
      brush.fillStyle = '#5a9fd4'
      brush.fillRect(0, 0, 320, 90)
      brush.fillStyle = '#1f5f8b'
      brush.fillRect(0, 90, 320, 90)
      brush.fillStyle = '#f4d58d'
      brush.beginPath()
      brush.arc(60 + frame * 8, 80, 24, 0, 7)
      brush.fill()
      if (++frame === 18) { clearInterval(timer); recorder.stop() }
    }
    recorder.start()
    const timer = setInterval(draw, 80)
  })`
  const base64 = (await page.evaluate(film)) as string
  await page.close()
  return Buffer.from(base64, 'base64')
}
