import { z } from 'zod'
import { asText } from '../../lib/text/as-text.ts'
import { filledPieces } from '../../lib/text/placeholders.ts'
import { activity } from '../activity.ts'

/** Fills `{{name}}` in a template from the other parameters. */
export const textTemplate = activity({
  name: 'text_template',
  category: 'text',
  lenient: true,
  description: 'Fills the {{name}} placeholders of a template. Every other parameter is a variable of that name.',
  parameters: z.object({
    template: z
      .string()
      .describe('Text with {{name}} placeholders; spaces inside the braces do not matter.')
      .meta({ input: 'text' }),
    variables: z
      .record(z.string(), z.unknown())
      .optional()
      .describe(
        'Values by name; keys that end in _path are references. A parameter of the same name takes precedence.',
      ),
  }),
  outputs: z.object({ text: z.string().describe('The template with its placeholders filled in.') }),
  example: {
    activity: 'text_template',
    template: 'Dear {{name}}, your order {{order}} has left.',
    name_path: 'init_params.name',
    variables: { order_path: 'init_params.order.id' },
  },
  gotchas: [
    'A placeholder without a value stays in the text, and the step carries a warning that names it.',
    'Text is inserted unchanged, any other value as JSON. Inserted values are not searched for placeholders again.',
    '{{init_params.x}} and {{step.outputs.x}} are filled in too. A variable takes precedence over a step of the same name, except ' +
      'if the variables come as one object from variables_path.',
  ],
  nested: ['variables'],
  takesAnyParameter: true,
  pure: true,
  async run({ template, variables, extra }, context) {
    const values = { ...variables, ...extra }
    const unknown = new Set<string>()
    const texts = new Map<string, string>() // an object that the template uses many times is serialized once
    const pieces = filledPieces(template, (name) => {
      if (!Object.hasOwn(values, name) || values[name] === undefined) {
        unknown.add(name)
        return undefined
      }
      const text = texts.get(name) ?? asText(values[name])
      texts.set(name, text)
      return text
    })
    await context.room(pieces.reduce((length, piece) => length + piece.length, 0))
    const text = pieces.join('')
    for (const name of unknown) {
      context.warn(`placeholder '{{${name}}}' has no value and stays in the text; set '${name}' or '${name}_path'`)
    }
    return { text }
  },
})
