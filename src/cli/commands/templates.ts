import type { Command } from 'commander'
import pc from 'picocolors'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import { type Session, withSession } from '../session.ts'
import { safe, shownJson, table } from '../show/output.ts'

/** `jetty templates …`. */
export const registerTemplates = (program: Command): void => {
  const templates = program.command('templates').description('Look up activities: what a step can do')
  templates
    .command('ls')
    .description('List the activities')
    .option('-c, --category <category>', 'only activities of this category')
    .option('-q, --search <text>', 'only activities whose name or description contains this text')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty templates ls\n  jetty templates ls --category text\n  jetty templates ls -q file',
    )
    .action(withSession<ListOptions>(list))
  templates
    .command('show <activity>')
    .description('Show one activity: parameters, outputs, an example and notes')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty templates show text_echo\n  jetty templates show text_echo --json | jq .example',
    )
    .action(withSession<object, [string]>(show))
}

interface ListOptions {
  category?: string
  search?: string
}

const list = async ({ client, out }: Session, _: string[], { category, search }: ListOptions): Promise<void> => {
  const found = await client.listStepTemplates({
    query: { ...(category === undefined ? {} : { category }), ...(search === undefined ? {} : { q: search }) },
  })
  out.answer(found, () =>
    found.templates.length === 0
      ? ''
      : table(
          ['ACTIVITY', 'CATEGORY', 'DESCRIPTION'],
          found.templates.map((template) => [template.activity_name, template.category, template.description]),
        ),
  )
  if (found.templates.length > 0) return
  const { categories } = await client.listStepTemplates()
  out.note(`No activity matches. Categories: ${categories.join(', ')}`)
}

const show = async ({ client, out }: Session, [activity]: [string]): Promise<void> => {
  const template = await client.getStepTemplate({ params: { activity } })
  out.answer(template, () => templateText(template))
}

type Parameter = StepTemplate['parameters'][number]

const defaultText = ({ required, default: preset }: Parameter): string =>
  required ? 'required' : preset === undefined || preset === null ? '-' : JSON.stringify(preset)

const aboutParameter = ({ description, accepts_path: path, name, aliases }: Parameter): string =>
  [description, path ? `(or ${name}_path)` : '', aliases.length > 0 ? `(also ${aliases.join(', ')})` : '']
    .filter((part) => part !== '')
    .join(' ')

const templateText = (template: StepTemplate): string =>
  [
    `${pc.bold(safe(template.activity_name))} ${pc.dim(safe(template.category))}\n${safe(template.description)}`,
    ...(template.module === undefined ? [] : [pc.dim(`Declared in ${safe(template.module)} of JETTY_ACTIVITIES_DIR`)]),
    template.parameters.length === 0
      ? 'No parameters.'
      : table(
          ['PARAMETER', 'TYPE', 'DEFAULT', 'DESCRIPTION'],
          template.parameters.map((one) => [one.name, one.type, defaultText(one), aboutParameter(one)]),
        ),
    table(
      ['OUTPUT', 'TYPE', 'DESCRIPTION'],
      template.outputs.map((one) => [one.path, one.type, one.description]),
    ),
    `${pc.dim('EXAMPLE')}\n${safe(shownJson(JSON.stringify(template.example)))}`,
    ...(template.gotchas.length > 0
      ? [`${pc.dim('MIND')}\n${template.gotchas.map((text) => `- ${safe(text)}`).join('\n')}`]
      : []),
  ].join('\n\n')
