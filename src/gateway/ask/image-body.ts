import type { ImageAnswer } from '../../model/gateway/image.ts'

/** Builds OpenAI's answer, `created` in seconds, with the bytes inside, since they have no public URL. */
export const imageBody = (answer: ImageAnswer, created: number) => ({
  created,
  data: answer.images.map(({ bytes, revised_prompt: revised }) => ({
    b64_json: Buffer.from(bytes).toString('base64'),
    ...(revised === undefined ? {} : { revised_prompt: revised }),
  })),
  ...(answer.usage === null
    ? {}
    : {
        usage: {
          input_tokens: answer.usage.prompt_tokens,
          output_tokens: answer.usage.completion_tokens,
          total_tokens: answer.usage.total_tokens,
        },
      }),
})
