import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { notedPage, table } from './markdown.ts'

interface Decision {
  file: string
  number: number
  title: string
  area: string
  /** `holds`, or what replaced it. */
  status: string
}

/** Reads the head of a decision: `# 3. Title`, and in the third line its area and status. */
const readDecision = (folder: string, file: string): Decision => {
  const [title = '', , facts = ''] = readFileSync(join(folder, file), 'utf8').split('\n', 3)
  const head = /^# (\d+)\. (.+)$/.exec(title)
  const [area, status] = facts.split(' · ')
  if (!head?.[1] || !head[2] || !area || !status)
    throw new Error(`docs/decisions/${file} must begin with "# N. Title", an empty line, and "Area · holds"`)
  return { file, number: Number(head[1]), title: head[2], area, status }
}

/** The index of the decisions, by area. */
export const decisionsPage = (root: string): string => {
  const folder = join(root, 'docs/decisions')
  const all = readdirSync(folder)
    .filter((name) => /^\d{4}-/.test(name))
    .sort()
    .map((file) => readDecision(folder, file))
  const areas = [...new Set(all.map(({ area }) => area))].sort((one, other) => one.localeCompare(other))
  return notedPage(
    '<!-- Written by `npm run docs` from the heads of the files; changes here are lost. -->',
    'Decisions',
    'Why things are as they are, where another way was plausible: what was decided, with what was measured and what was not taken. ' +
      'A decision holds until another one replaces it.',
    ...areas.map((area) =>
      [
        `## ${area}`,
        table(
          ['', 'Decision', 'Status'],
          all
            .filter((one) => one.area === area)
            .map(({ file, number, title, status }) => [String(number), `[${title}](${file})`, status]),
        ),
      ].join('\n\n'),
    ),
  )
}
