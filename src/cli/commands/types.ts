import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { allPages } from '../all-pages.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'
import { type TypedTask, typeDeclarations } from '../types/declarations.ts'

interface TypesOptions {
  out?: string
}

/** `jetty types`. */
export const registerTypes = (program: Command): void => {
  program
    .command('types <collection...>')
    .description('Write TypeScript types of the tasks of collections, for the typed client')
    .option('-o, --out <file>', 'file to write (default: stdout)')
    .addHelpText(
      'after',
      '\nExamples:\n  jetty types acme > jetty.d.ts\n  jetty types acme demo --out src/jetty.d.ts\n\n' +
        'Parameters come from the input_schema of a task, else from its defaults and from what its steps read. Outputs are\n' +
        'those that the activities declare, and the members that an output_schema names.',
    )
    .action(withSession<TypesOptions, [string[]]>(types))
}

const types = async ({ client, out }: Session, [collections]: [string[]], { out: file }: TypesOptions) => {
  const { templates } = await client.listStepTemplates()
  const byName = new Map(templates.map((template) => [template.activity_name, template]))
  const tasks: TypedTask[] = []
  for (const collection of new Set(collections)) {
    const listed = await allPages(100, (query) => client.listTasks({ params: { collection }, query }))
    tasks.push(...listed)
  }
  const text = typeDeclarations(tasks, byName, `jetty types ${collections.join(' ')}`)
  if (file !== undefined) {
    writeFileSync(file, text)
    out.note(`Wrote the types of ${tasks.length} tasks to ${safe(file)}`)
  }
  out.answer({ types: text, tasks: tasks.length }, () => (file === undefined ? text : ''))
}
