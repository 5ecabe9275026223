import { events, type FakeProvider, json, pieces, type Said, startFakeProvider, type WireAsked } from './wire-server.ts'

/** A PNG of one pixel, as the API has pictures. */
export const onePixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const usageMetadata = {
  promptTokenCount: 100,
  candidatesTokenCount: 12,
  thoughtsTokenCount: 8,
  cachedContentTokenCount: 30,
  totalTokenCount: 120,
}

const callsOf = ({ tools = [] }: Said) =>
  tools.map(({ id, name, input }, index) => ({
    functionCall: { id, name, args: input },
    ...(index === 0 ? { thoughtSignature: 'c2lnbmVkLWJ5LWdvb2dsZQ==' } : {}),
  }))

const picture = ({ body }: WireAsked) =>
  body.generationConfig?.responseModalities?.includes('IMAGE')
    ? [{ inlineData: { mimeType: 'image/png', data: onePixel } }]
    : []

const chunk = (parts: unknown[], finishReason?: string) => ({
  candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason ? { finishReason } : {}) }],
  usageMetadata,
  modelVersion: 'gemini-fake-001',
  responseId: 'gemini-answer-1',
})

const whole = (asked: WireAsked, said: Said) =>
  chunk(
    [
      ...(said.thought === undefined ? [] : [{ text: said.thought, thought: true }]),
      ...(said.text === undefined ? [] : [{ text: said.text }]),
      ...callsOf(said),
      ...picture(asked),
    ],
    'STOP',
  )

const streamed = (said: Said) =>
  events(
    [
      ...pieces(said.thought ?? '').map((text) => chunk([{ text, thought: true }])),
      ...pieces(said.text ?? '').map((text) => chunk([{ text }])),
      ...callsOf(said).map((call) => chunk([call])),
      chunk([{ text: '' }], 'STOP'),
    ].map((data) => ({ data })),
    '\r\n',
  )

const vectorOf = (text: string) => ({ values: [text.length, 0.5, -0.25] })
const textOf = (content: { parts: { text: string }[] }) => content.parts.map(({ text }) => text).join('')

const fault = (code: number, message: string) => json({ error: { code, message, status: 'FAKE' } }, code)

/** Gemini's own API as Google AI and Vertex AI have it: text, pictures, vectors. */
export const startFakeGemini = (): Promise<FakeProvider> =>
  startFakeProvider((asked, said) => {
    const { headers, path, body } = asked
    const [, method] = /\/models\/[^/:]+:([a-zA-Z]+)/.exec(path) ?? []
    if (!headers['x-goog-api-key'] && !headers.authorization) return fault(401, 'API key is missing')
    switch (method) {
      case 'generateContent':
        return json(whole(asked, said))
      case 'streamGenerateContent':
        return streamed(said)
      case 'countTokens':
        return json({ totalTokens: 31, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 31 }] })
      case 'embedContent':
        return json({ embedding: vectorOf(textOf(body.content)) })
      case 'batchEmbedContents':
        return json({ embeddings: body.requests.map((one: { content: never }) => vectorOf(textOf(one.content))) })
      case 'predict':
        return 'prompt' in body.instances[0]
          ? json({
              predictions: Array.from({ length: body.parameters.sampleCount }, () => ({
                bytesBase64Encoded: onePixel,
                mimeType: 'image/png',
              })),
            })
          : json({
              predictions: body.instances.map(({ content }: { content: string }) => ({
                embeddings: { ...vectorOf(content), statistics: { token_count: 3, truncated: false } },
              })),
            })
      default:
        return fault(404, `no ${path} here`)
    }
  })
