import { CopyLine } from '../../ui/copy.tsx'

/** The commands that do the same as a part of the settings. */
export const CommandLines = ({ lines }: { lines: readonly string[] }) => (
  <section className="mt-2 flex flex-col items-start gap-2 border-line border-t pt-4">
    <h2 className="font-medium text-12 text-muted">On the command line</h2>
    {lines.map((line) => (
      <CopyLine key={line} text={line} />
    ))}
  </section>
)
