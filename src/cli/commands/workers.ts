import type { Command } from 'commander'
import type { ListedWorker } from '../../model/workers/worker.ts'
import { type Session, withSession } from '../session.ts'
import { moment, table } from '../show/output.ts'

/** `jetty workers …`. */
export const registerWorkers = (program: Command): void => {
  const workers = program
    .command('workers')
    .description('List workers: programs on other machines that carry out steps')
  workers
    .command('ls')
    .description('List the workers of your collections, newest first')
    .option('--all', 'also workers that are gone: for a day after they were seen last')
    .addHelpText('after', '\nExamples:\n  jetty workers ls\n  jetty workers ls --all --json')
    .action(withSession<ListOptions>(list))
  workers
    .command('stop <worker>')
    .description('Give a worker no more jobs; it finishes those that it has, and exits')
    .addHelpText('after', '\nExamples:\n  jetty workers stop 5b0a6f3e-8f5c-4b7e-9d55-0d6a4f6f2b11')
    .action(withSession<object, [string]>(stop))
}

interface ListOptions {
  all?: boolean
}

const list = async ({ client, out }: Session, _: string[], { all }: ListOptions): Promise<void> => {
  const workers = await allWorkers(client, all ? 'all' : 'online')
  out.answer(workers, () =>
    workers.length === 0
      ? ''
      : table(
          ['ID', 'NAME', 'STATE', 'JOBS', 'VERSION', 'LABELS', 'OFFERS', 'COLLECTIONS', 'SEEN'],
          workers.map((worker) => [
            worker.worker_id,
            worker.name,
            worker.state,
            `${worker.jobs} of ${worker.concurrency}`,
            worker.version ?? '-',
            worker.labels.join(', ') || '-',
            worker.activities.map(({ name }) => name).join(', '),
            worker.collections?.join(', ') ?? 'all',
            moment(worker.seen_at),
          ]),
        ),
  )
  if (workers.length === 0) out.note('No worker polls for jobs. docs/workers.md says how to write one.')
}

const allWorkers = async (client: Session['client'], state: 'online' | 'all'): Promise<ListedWorker[]> => {
  const found: ListedWorker[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await client.listWorkers({ query: { state, limit: '500', ...(cursor === '' ? {} : { cursor }) } })
    found.push(...page.workers)
    cursor = page.next_cursor
  }
  return found
}

const stop = async ({ client, out }: Session, [worker]: [string]): Promise<void> => {
  const stopped = await client.stopWorker({ params: { worker_id: worker } })
  out.answer(stopped, () => `The worker gets no more jobs. It still has ${stopped.jobs}.`)
}
