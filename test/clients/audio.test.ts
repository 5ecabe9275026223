// Sounds with OpenAI's client, as it is on npm: spoken, transcribed and translated.
import { randomBytes } from 'node:crypto'
import OpenAI, { toFile } from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { failure } from './answers.ts'
import { type Gateway, openAiKey, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway({ JETTY_MAX_BODY_BYTES: '2MiB' })
})
afterAll(() => gateway?.close())
afterEach(() => {
  gateway.openAi.asked.length = 0
})

const client = () => new OpenAI({ baseURL: `${gateway.jetty.url}/v1`, apiKey: gateway.key, maxRetries: 0 })
const lastAsked = () => gateway.openAi.asked.at(-1)

/** Bytes that begin as a WAV file does, and contain everything. */
const wav = (size: number) => Buffer.concat([Buffer.from('RIFF    WAVEfmt '), randomBytes(size)])

const bytesAt = async (path: string): Promise<Buffer> => {
  const answer = await fetch(`${gateway.jetty.url}/api/v1/file/${path}`, {
    headers: { authorization: `Bearer ${gateway.key}` },
  })
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}

const events = (list: object[]) => ({
  headers: { 'content-type': 'text/event-stream' },
  body: list.map((one) => `data: ${JSON.stringify(one)}\n\n`).join(''),
})

const caught = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('speech', () => {
  it('arrives byte for byte, and is a file of the record', async () => {
    const sound = wav(300_000)
    gateway.openAi.script({ headers: { 'content-type': 'audio/wav' }, body: sound, pieceBytes: 50_000 })
    const asked = { model: 'tts-1', voice: 'alloy', input: 'Hello' }
    const answer = await client().audio.speech.create(asked)
    expect(answer.headers.get('content-type')).toBe('audio/wav')
    expect(Buffer.from(await answer.arrayBuffer()).equals(sound)).toBe(true)
    expect(lastAsked()).toMatchObject({ path: '/v1/audio/speech', body: asked })
    const run = await gateway.recorded('_speech', answer.headers)
    expect(run.init_params).toEqual(asked)
    const [file] = run.steps.completion.outputs.audio
    expect(file).toMatchObject({ content_type: 'audio/wav', size: sound.length })
    expect((await bytesAt(file.path)).equals(sound)).toBe(true)
  })

  it('is streamed as events, too', async () => {
    const sound = wav(9000)
    const audio = [sound.subarray(0, 5000), sound.subarray(5000)].map((part) => part.toString('base64'))
    const usage = { input_tokens: 3, output_tokens: 20, total_tokens: 23 }
    gateway.openAi.script(
      events([
        ...audio.map((one) => ({ type: 'speech.audio.delta', audio: one })),
        { type: 'speech.audio.done', usage },
      ]),
    )
    const answer = await client().audio.speech.create({
      model: 'gpt-4o-mini-tts',
      voice: 'alloy',
      input: 'Hello',
      stream_format: 'sse',
    })
    expect(await answer.text()).toContain('speech.audio.done')
    const { outputs } = (await gateway.recorded('_speech', answer.headers)).steps.completion
    expect(outputs.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 20 })
    expect((await bytesAt(outputs.audio[0].path)).equals(sound)).toBe(true)
  })

  it('that breaks off does not end well, and its record has failed', async () => {
    const sound = wav(200_000)
    gateway.openAi.script({ headers: { 'content-type': 'audio/wav' }, body: sound, cutAfterBytes: 100_000 })
    const asked = { model: 'tts-1', voice: 'alloy', input: 'A call that breaks off' }
    const spoken = client()
      .audio.speech.create(asked)
      .then((answer) => answer.arrayBuffer())
    expect(await caught(spoken)).toBeInstanceOf(Error)
    const { body } = await gateway.jetty.call('GET', '/api/v1/db/trajectories/acme/_speech?limit=1')
    expect(body.trajectories[0]).toMatchObject({ status: 'failed' })
    const run = await gateway.jetty.get('_speech', body.trajectories[0].trajectory_id)
    expect(run.init_params).toEqual(asked)
    expect(run.steps.completion.outputs.audio).toHaveLength(1)
  })

  it('that is refused says so', async () => {
    gateway.openAi.script(failure(400, 'invalid_voice', 'No such voice'))
    const thrown = await caught(client().audio.speech.create({ model: 'tts-1', voice: 'nobody', input: 'Hello' }))
    expect(thrown).toMatchObject({ status: 400, message: expect.stringContaining('No such voice') })
  })
})

describe('a transcription', () => {
  it('has the bytes of the client passed on, and both sides in the record', async () => {
    const sound = wav(200_000)
    const usage = { type: 'tokens', input_tokens: 14, output_tokens: 5, total_tokens: 19 }
    gateway.openAi.script({ body: { text: 'Hello there', usage } })
    const file = await toFile(sound, 'speech.wav', { type: 'audio/wav' })
    const { data, response } = await client()
      .audio.transcriptions.create({ file, model: 'gpt-4o-transcribe', language: 'en' })
      .withResponse()
    expect(data.text).toBe('Hello there')
    expect(lastAsked()?.path).toBe('/v1/audio/transcriptions')
    expect(lastAsked()?.headers.authorization).toBe(`Bearer ${openAiKey}`)
    expect(lastAsked()?.bytes.includes(sound)).toBe(true)
    const run = await gateway.recorded('_transcriptions', response.headers)
    expect(run.init_params).toMatchObject({ model: 'gpt-4o-transcribe', language: 'en' })
    expect((await bytesAt(run.init_params.file)).equals(sound)).toBe(true)
    const { outputs } = run.steps.completion
    expect(outputs).toMatchObject({ text: 'Hello there', usage: { prompt_tokens: 14, completion_tokens: 5 } })
    // No activity takes a file to a model: a rerun would do nothing, and says so.
    const id = response.headers.get('x-jetty-trajectory-id')
    const again = await gateway.jetty.call('POST', `/api/v1/trajectory/acme/_transcriptions/${id}/rerun`, {})
    expect([again.status, JSON.stringify(again.body)]).toEqual([
      422,
      expect.stringContaining('Make the call again: POST /v1/audio/transcriptions with the init_params'),
    ])
  })

  it('is streamed', async () => {
    const usage = { type: 'tokens', input_tokens: 14, output_tokens: 5, total_tokens: 19 }
    gateway.openAi.script(
      events([
        { type: 'transcript.text.delta', delta: 'Hello ' },
        { type: 'transcript.text.delta', delta: 'there' },
        { type: 'transcript.text.done', text: 'Hello there', usage },
      ]),
    )
    const file = await toFile(wav(2000), 'speech.wav')
    const { data, response } = await client()
      .audio.transcriptions.create({ file, model: 'gpt-4o-transcribe', stream: true })
      .withResponse()
    const types: string[] = []
    for await (const { type } of data) types.push(type)
    expect(types).toEqual(['transcript.text.delta', 'transcript.text.delta', 'transcript.text.done'])
    const run = await gateway.recorded('_transcriptions', response.headers)
    expect(run.init_params.stream).toBe(true)
    expect(run.steps.completion.outputs).toMatchObject({ text: 'Hello there', usage: { total_tokens: 19 } })
  })

  it('comes as plain text', async () => {
    const srt = '1\n00:00:00,000 --> 00:00:02,000\nHello there\n'
    gateway.openAi.script({ headers: { 'content-type': 'text/plain; charset=utf-8' }, body: srt })
    const file = await toFile(wav(2000), 'speech.wav')
    const { data, response } = await client()
      .audio.transcriptions.create({ file, model: 'whisper-1', response_format: 'srt' })
      .withResponse()
    expect(data).toBe(srt)
    const { outputs } = (await gateway.recorded('_transcriptions', response.headers)).steps.completion
    expect(outputs).toMatchObject({ text: srt, response: srt, usage: null, cost_usd: null })
  })

  it('takes options of the server in a part that is not sent on, and another name for the model', async () => {
    gateway.openAi.script({ body: { text: 'Hello' } })
    const form = new FormData()
    form.set('jetty', JSON.stringify({ labels: { team: 'support' } }))
    form.set('model', 'openai/whisper-1')
    form.append('timestamp_granularities[]', 'word')
    form.append('timestamp_granularities[]', 'segment')
    form.set('file', new Blob([wav(2000)], { type: 'audio/wav' }), 'speech.wav')
    const answer = await fetch(`${gateway.jetty.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}` },
      body: form,
    })
    expect(answer.status).toBe(200)
    const sent = await new Response(new Uint8Array(lastAsked()?.bytes ?? []), {
      headers: { 'content-type': lastAsked()?.headers['content-type'] ?? '' },
    }).formData()
    expect([...sent.keys()]).toEqual(['model', 'timestamp_granularities[]', 'timestamp_granularities[]', 'file'])
    expect(sent.get('model')).toBe('whisper-1')
    const run = await gateway.recorded('_transcriptions', answer.headers)
    expect(run.labels).toMatchObject([{ key: 'team', value: 'support' }])
    expect(run.init_params['timestamp_granularities[]']).toEqual(['word', 'segment'])
  })

  it('goes to a fallback model, under its name', async () => {
    gateway.openAi.script({ status: 404, body: { error: { message: 'no such model' } } }, { body: { text: 'Hello' } })
    const form = new FormData()
    form.set('jetty', JSON.stringify({ fallback_models: ['whisper-1'] }))
    form.set('model', 'gpt-4o-transcribe')
    form.set('file', new Blob([wav(2000)], { type: 'audio/wav' }), 'speech.wav')
    const answer = await fetch(`${gateway.jetty.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}` },
      body: form,
    })
    expect(await answer.json()).toEqual({ text: 'Hello' })
    expect(gateway.openAi.asked.map(({ text }) => /name="model"\s+([^\r]+)/.exec(text)?.[1])).toEqual([
      'gpt-4o-transcribe',
      'whisper-1',
    ])
  })

  it.each([
    ['what is no form', JSON.stringify({ model: 'whisper-1' }), 'application/json', 400, 'multipart/form-data'],
    [
      'a form without a file',
      '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n',
      'multipart/form-data; boundary=b',
      400,
      'file: expected',
    ],
    [
      'a form that breaks off',
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
      'multipart/form-data; boundary=b',
      400,
      'breaks off',
    ],
    ['a form that is too large', 'x'.repeat(3 * 1024 * 1024), 'multipart/form-data; boundary=b', 413, 'too large'],
  ])('refuses %s', async (_, body, type, status, words) => {
    const answer = await fetch(`${gateway.jetty.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': type },
      body,
    })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(new RegExp(words, 'i')) } })
    expect(gateway.openAi.asked).toEqual([])
  })
})

describe('the memory of a form', () => {
  const megabytes = (count: number) => wav(count * 1024 * 1024)

  it('has room for its record as JSON: a form that would take more than there is is refused', async () => {
    const small = await startGateway({ JETTY_IN_FLIGHT_BYTES: '16MiB', JETTY_MAX_BODY_BYTES: '8MiB' })
    try {
      const transcribe = async (sound: Buffer) => {
        const form = new FormData()
        form.set('model', 'whisper-1')
        form.set('file', new Blob([sound], { type: 'audio/wav' }), 'speech.wav')
        const headers = { authorization: `Bearer ${small.key}` }
        const answer = await fetch(`${small.jetty.url}/v1/audio/transcriptions`, {
          method: 'POST',
          headers,
          body: form,
        })
        return { status: answer.status, body: await answer.json() }
      }
      // Two copies of its bytes would fit. Its JSON is a third larger, and there are two copies of that as well.
      expect(await transcribe(megabytes(4))).toMatchObject({
        status: 413,
        body: { error: { code: 'too_large' } },
      })
      expect(small.openAi.asked).toEqual([])
      const chat = await fetch(`${small.jetty.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${small.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'x'.repeat(4_000_000) }] }),
      })
      expect(chat.status).toBe(200)
      await chat.text()
      // What it took is given back with its answer.
      for (const _ of [1, 2, 3]) {
        small.openAi.script({ body: { text: 'Hello' } })
        expect(await transcribe(megabytes(2))).toEqual({ status: 200, body: { text: 'Hello' } })
      }
    } finally {
      await small.close()
    }
  })
})

it('a translation', async () => {
  gateway.openAi.script({ body: { text: 'Good day' } })
  const file = await toFile(wav(2000), 'speech.wav')
  const { data, response } = await client().audio.translations.create({ file, model: 'whisper-1' }).withResponse()
  expect(data.text).toBe('Good day')
  expect(lastAsked()?.path).toBe('/v1/audio/translations')
  const { outputs } = (await gateway.recorded('_translations', response.headers)).steps.completion
  expect(outputs.text).toBe('Good day')
})
