import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

interface Question {
  id: number
  command: string
  argument: unknown
}
interface Answer {
  id: number
  result?: unknown
  error?: string
}

/** A process that answers commands. */
export interface Child {
  pid: number
  ask<Result>(command: string, argument?: unknown): Promise<Result>
  end(): Promise<void>
}

/** The parent's end of the line; resolves when the child says it is ready. */
export const talkTo = async (child: ChildProcess): Promise<Child> => {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (reason: Error) => void }>()
  let asked = 0
  child.on('message', (answer: Answer) => {
    const asker = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.error !== undefined) asker?.reject(new Error(answer.error))
    else asker?.resolve(answer.result)
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`The process ended: ${signal ?? code}`))
  })
  const answered = (id: number) => new Promise<unknown>((resolve, reject) => waiting.set(id, { resolve, reject }))
  await answered(0)
  return {
    pid: child.pid ?? 0,
    async ask<Result>(command: string, argument?: unknown) {
      const question: Question = { id: ++asked, command, argument }
      child.send(question)
      return (await answered(question.id)) as Result
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

type Commands = Record<string, (argument: never) => unknown>

/** The child's end: sets up, says that it is ready, then does what it is told until its parent is gone. */
export const obey = async (setUp: () => Promise<Commands>): Promise<void> => {
  const tell = (answer: Answer) => process.send?.(answer)
  process.on('disconnect', () => process.exit())
  try {
    const commands = await setUp()
    process.on('message', async ({ id, command, argument }: Question) => {
      try {
        tell({ id, result: await commands[command]?.(argument as never) })
      } catch (error) {
        tell({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    })
    tell({ id: 0 })
  } catch (error) {
    tell({ id: 0, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}
