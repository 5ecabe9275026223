import type { Command } from 'commander'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

/** `jetty storage …`. */
export const registerStorage = (program: Command): void => {
  const storage = program.command('storage').description('Manage the files of the server on this machine')
  storage
    .command('adopt')
    .description('Declare that only this database uses the files in the data folder')
    .addHelpText(
      'after',
      `
Run it where the server runs, with its JETTY_DATA_DIR and DATABASE_URL; the server may run meanwhile.

After a restore, a failover or a copy of the database the server removes no bytes of files, because the database that it
was copied from may still need them. It also refuses to start with another folder of files than before. When no other
database uses these files any more, this command says so, and the server goes on as usual within a minute.

Examples:
  jetty storage adopt
  DATABASE_URL=postgres://jetty:password@db/jetty JETTY_DATA_DIR=/var/lib/jetty jetty storage adopt`,
    )
    .action(withSession<object, []>(adopt))
}

const adopt = async ({ out }: Session): Promise<void> => {
  const [{ loadSettings }, { adoptStorage }] = await Promise.all([
    import('../../lib/settings/config.ts'),
    import('../../local/adopt-storage.ts'),
  ])
  const adopted = await adoptStorage(loadSettings(process.env))
  const given = adopted.others.length > 0 ? `, and no more to ${adopted.others.map(safe).join(', ')}` : ''
  out.answer(adopted, () => `${safe(adopted.folder)} belongs to this database${given}`)
}
