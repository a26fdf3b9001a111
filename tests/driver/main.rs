//! The driver as a whole: scheduling with an in-process worker, then the program with a stand-in engine, then both
//! real programs on a tiny model.

mod aftermath;
mod chaos;
mod commands;
mod crash;
mod data;
mod data_files;
mod demo;
mod devices;
mod disk;
mod examples;
mod fake;
mod history;
mod interruption;
mod keys;
mod page;
mod program;
mod published;
mod real;
mod remote;
mod remote_place;
mod remote_runs;
mod removal;
mod retention;
mod sandbox;
mod scheduling;
mod serve;
mod sharing;
mod store_care;
mod terminal;
mod trained;
