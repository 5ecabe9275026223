import { Button } from '../../../ui/button.tsx'

/** Asks which version of the workflow runs again. */
export const RerunChoice = ({ onChoose }: { onChoose: (version: 'same' | 'current') => void }) => (
  <div className="flex flex-col gap-4">
    <p className="text-muted">Each run begins anew with its own parameters. The recorded runs stay as they are.</p>
    <div className="flex flex-wrap gap-2">
      <Button look="main" onClick={() => onChoose('same')}>
        With the version that each has run
      </Button>
      <Button onClick={() => onChoose('current')}>With the current version</Button>
    </div>
  </div>
)
