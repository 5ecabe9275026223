import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { activity } from '../activity.ts'
import { answerOutputs, answerOutputsOf, askParameters, promptText, requestOf, systemMessages } from './ask.ts'
import { askStructured, outputSchemaParameter, structuredOutputs } from './structured-answer.ts'
import { boundsOf } from './tool-bounds.ts'
import { askWithTools } from './tool-loop.ts'
import { toolOutputs, toolParameters } from './tool-parameters.ts'

/** Asks one of Google's Gemini models. */
export const geminiPrompt = activity({
  name: 'gemini_prompt',
  category: 'models',
  lenient: true,
  asks: { kind: 'chat', provider: 'gemini' },
  structuredOutput: 'json',
  description: 'Calls a Gemini model at Google and returns its answer.',
  parameters: z.object({
    model: z.string().min(1).default('gemini-2.0-flash').describe('The Gemini model.'),
    ...askParameters,
    ...outputSchemaParameter,
    ...toolParameters,
  }),
  outputs: z.looseObject({ ...answerOutputs, ...toolOutputs, ...structuredOutputs }),
  example: {
    activity: 'gemini_prompt',
    model: 'gemini-2.0-flash',
    prompt: 'Name three rivers of {{init_params.land}}.',
  },
  gotchas: [
    "The key always comes from GEMINI_API_KEY or GOOGLE_API_KEY in the run's environment.",
    'prompt must be one text; a list or an object is sent as JSON.',
  ],
  literal: ['output_schema'],
  offersTools: true,
  async run(given, context) {
    if (given.prompt === undefined) {
      throw new AppError('parameter_invalid', 'gemini_prompt needs the parameter prompt', {
        hint: 'Set prompt to a text, or prompt_path to a path expression.',
      })
    }
    const prompt = promptText(given.prompt, context)
    const messages = [...systemMessages(given.system_prompt), { role: 'user', content: prompt }]
    const request = requestOf(given, messages)
    const options = { provider: 'gemini' }
    const schema = given.output_schema
    if (given.tools) return askWithTools({ request, options, schema, bounds: boundsOf(given, context) }, context)
    if (schema !== undefined) return askStructured({ request, options, schema }, context)
    return answerOutputsOf(await context.models.chat(request, options), context)
  },
})
