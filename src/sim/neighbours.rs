//! Two repositories with one stack name against one account: the second recovers the fleet of the first, and never harms it
//! without confirmation, whatever becomes of its manifest and its processes.

use super::life::Life;
use super::network::NetworkFaults;
use super::schedule::Story;
use super::writer::{CONSENTING, Ended, Writer, run_apply};
use crate::model::Ownership;
use crate::ops::{ApplyOptions, OpsError};
use std::time::Duration;

/// Commands of the second repository.
const COMMANDS: u64 = 4;

impl Story {
    /// The first repository gets its fleet in good weather; then the second runs commands with `--yes` and without `--adopt`.
    pub(super) fn neighbours(&mut self) -> Result<(), String> {
        let first = Writer::new(self.sabotage, 0);
        self.world.set_faults(NetworkFaults::default());
        self.world.set_promised(self.is_promised());
        self.settle(&first)?;
        self.world.clock.advance(self.about.settled_after() + Duration::from_secs(1));
        if !self.is_promised() || self.passed.asked {
            return Ok(());
        }
        self.world.set_foreign();
        self.world.log("another repository with this stack name begins");
        self.world.set_faults(self.about.faults);
        let second = Writer::new(self.sabotage, 1);
        for number in 0..COMMANDS {
            self.second_command(&second, number)?;
        }
        Ok(())
    }

    fn second_command(&mut self, writer: &Writer, number: u64) -> Result<(), String> {
        // By name alone, an edited manifest is another fleet.
        if number > 0 && self.about.ownership == Ownership::Tags && self.chance.percent(60) {
            self.edit();
        }
        let desired = self.fleet.desired(&self.about);
        self.world.set_wanted(desired.instances.keys().cloned().collect());
        let destroy = self.chance.percent(30);
        let dies = self.chance.percent(30).then(|| self.chance.below(60));
        let life = Life::new(dies);
        let context = writer.context(&self.world, &life, &desired, self.chance.next_u64());
        let options = ApplyOptions {
            assume_yes: true,
            destroy,
            purge: self.chance.percent(20),
            until_settled: self.chance.percent(30).then(|| Duration::from_secs(1800)),
            ..CONSENTING
        };
        self.world.log(format!("command {number} of the second repository, destroy {destroy}, dies at {dies:?}"));
        match run_apply(&self.world, &context, &life, &desired, options) {
            None => return Err("the apply waits for what never comes".into()),
            Some(Ended::Died) => {
                self.passed.crashes += 1;
                writer.disk.crash(&mut self.chance);
            }
            Some(Ended::Over(Err(OpsError::Unsound(found)))) => return Err(format!("an unsound plan: {found:?}")),
            Some(Ended::Over(Err(error))) => self.world.log(format!("refused: {error}")),
            Some(Ended::Over(Ok(report))) => {
                if let Some(OpsError::Unsound(found)) = &report.stop {
                    return Err(format!("an unsound plan: {found:?}"));
                }
                self.world.log(format!("ended: {:?}", report.exit));
            }
        }
        self.world.clock.advance(Duration::from_secs(self.chance.pick(&[1, 30, 700])));
        self.no_violation()
    }
}
