import { markdownCode as code, markdownTable as table } from '../../lib/text/markdown-table.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'

const parameterRows = ({ parameters }: StepTemplate): string[][] =>
  parameters.map(({ name, type, required, default: preset, description, aliases }) => [
    code(name),
    type,
    required ? 'required' : preset === null ? 'optional' : code(JSON.stringify(preset)),
    `${description}${aliases.length > 0 ? ` Old names: ${aliases.map(code).join(', ')}.` : ''}`,
  ])

/** The section about an activity on a page of the reference. */
export const activityMarkdown = (activity: StepTemplate): string =>
  [
    `## ${activity.activity_name}`,
    activity.description,
    table(['Parameter', 'Type', 'Default', 'What it is'], parameterRows(activity)),
    table(
      ['Output', 'Type', 'What it is'],
      activity.outputs.map(({ path, type, description }) => [code(path), type, description]),
    ),
    `\`\`\`json\n${JSON.stringify(activity.example, null, 2)}\n\`\`\``,
    ...(activity.gotchas.length > 0 ? [activity.gotchas.map((gotcha) => `- ${gotcha}`).join('\n')] : []),
  ].join('\n\n')
